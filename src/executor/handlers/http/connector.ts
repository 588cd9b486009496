import { type ConnectionOptions, createSecureContext } from 'node:tls';
import type { buildConnector } from 'undici';
import { targetOf } from '../../../runtime/authority.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { type Dial, dialer } from '../../../runtime/dial.ts';
import type { PemOptions } from '../../../runtime/pem.ts';
import type { TargetGuard } from '../../../runtime/target-guard.ts';
import { type HttpProxy, proxyDialer, tunnelDialer } from './proxy.ts';

/** Of silence, before TCP asks whether the other side is still there; milliseconds. */
const TCP_KEEP_ALIVE = 60_000;

export interface ConnectorOptions {
  /** Scheme, host and port of the endpoint. */
  readonly origin: URL;
  readonly guard: TargetGuard;
  readonly pem: PemOptions;
  readonly proxy: HttpProxy | undefined;
  /** Milliseconds for a connection, with everything that belongs to it. */
  readonly connectTimeout: number;
  readonly offersHttp2: boolean;
  readonly clock: Clock;
}

/** Opens the connections to one endpoint for undici. */
export class Connector implements Disposable {
  readonly #options: ConnectorOptions;
  readonly #open: (signal: AbortSignal) => ReturnType<Dial>;
  /** Those that are being made. */
  readonly #opening = new Set<AbortController>();
  #isClosed = false;

  constructor(options: ConnectorOptions) {
    this.#options = options;
    this.#open = opener(options);
  }

  readonly connect: buildConnector.connector = (_, callback) => {
    this.#socket().then(
      (socket) => callback(null, socket),
      (error) => callback(error, null),
    );
  };

  async #socket() {
    const { origin, connectTimeout, clock } = this.#options;
    const abort = new AbortController();
    const late = () => abort.abort(new Error(`no connection to ${origin.host} within ${connectTimeout} ms`));
    const cancel = clock.setTimer(late, connectTimeout);
    this.#opening.add(abort);
    if (this.#isClosed) abort.abort(CLOSED);
    try {
      const socket = await this.#open(abort.signal);
      return socket.setNoDelay(true).setKeepAlive(true, TCP_KEEP_ALIVE);
    } finally {
      cancel();
      this.#opening.delete(abort);
    }
  }

  /** Ends the connections that are being made. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    for (const abort of this.#opening) abort.abort(CLOSED);
  }
}

const CLOSED = new Error('the client is closed');

function opener({
  origin,
  guard,
  pem,
  proxy,
  offersHttp2,
}: ConnectorOptions): (signal: AbortSignal) => ReturnType<Dial> {
  const target = targetOf(origin);
  if (origin.protocol === 'http:') {
    if (!proxy) return (signal) => dialer(guard)(target, signal);
    // The proxy is asked with the whole URL of the endpoint, whose name it looks up by itself.
    const dialProxy = proxyDialer(guard, proxy);
    return async (signal) => {
      guard.checkLiteral(target.host);
      return await dialProxy(signal);
    };
  }
  const dial = proxy ? tunnelDialer(guard, proxy) : dialer(guard);
  const tls = tlsOptions(pem, offersHttp2);
  let session: Buffer | undefined;
  return async (signal) => {
    const socket = await dial({ ...target, tls: session ? { ...tls, session } : tls }, signal);
    socket.on('session', (next: Buffer) => {
      session = next;
    });
    return socket;
  };
}

/** Certificates are read once, not for each connection. */
function tlsOptions(pem: PemOptions, offersHttp2: boolean): ConnectionOptions {
  return {
    secureContext: createSecureContext(pem),
    ALPNProtocols: offersHttp2 ? ['h2', 'http/1.1'] : ['http/1.1'],
  };
}
