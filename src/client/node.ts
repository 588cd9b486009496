// penstock/client: the client for Node.js, over gRPC.
import { EventEmitter } from 'node:events';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { type CallDefaults, type Services, servicesOver } from './services.ts';

export * from './contract.ts';

/** Certificates in PEM. */
export interface ClientTls {
  /** The authority that signed the server's certificate. Unset: those that Node.js trusts. */
  readonly ca?: string | undefined;
  /** The certificate to show of oneself, and its key. Unset: none. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

export interface ConnectOptions extends CallDefaults {
  /** Where the gRPC port is, as `host:port`. */
  readonly address: string;
  /** Unset: without TLS. `{}`: with TLS. */
  readonly tls?: ClientTls | undefined;
}

/** The services over one connection. Until it is closed or was idle for 15 minutes, it keeps the process up. */
export interface Penstock extends Services, Disposable {
  /** Closes the connection, and with it every call. */
  close(): void;
}

/** A watch over a dead connection ends so many milliseconds, and those of the answer, after the last message. */
const PING_INTERVAL = 20_000;
const PING_ANSWER = 10_000;
/** The largest answer, in bytes. */
const MAX_ANSWER = 64 << 20;

/**
 * A connection that is ending tells why some ticks later, and abort() stops listening at once: what nobody listens to would end the
 * process. What it has of its connection is private (connect-node 2.2.0).
 */
function ignoreLateErrors(sessionManager: Http2SessionManager): void {
  const { s: state } = sessionManager as unknown as { readonly s: { readonly conn?: unknown } };
  if (state.conn instanceof EventEmitter) state.conn.on('error', () => {});
}

/**
 * Connects with the first call, and again with the next one after the connection was lost.
 * @throws TypeError when the address is none
 */
export function connect({ address, tls, ...defaults }: ConnectOptions): Penstock {
  const baseUrl = `${tls ? 'https' : 'http'}://${address}`;
  if (!URL.canParse(baseUrl) || /[/@?#]/.test(address)) {
    throw new TypeError(`address must be host:port, such as 127.0.0.1:9090, not ${address}`);
  }
  const sessionManager = new Http2SessionManager(
    baseUrl,
    { pingIntervalMs: PING_INTERVAL, pingTimeoutMs: PING_ANSWER },
    { ...tls },
  );
  const transport = createGrpcTransport({ baseUrl, sessionManager, readMaxBytes: MAX_ANSWER });
  let isClosed = false;
  const close = () => {
    isClosed = true;
    ignoreLateErrors(sessionManager);
    sessionManager.abort();
  };
  return { ...servicesOver(transport, defaults, () => isClosed), close, [Symbol.dispose]: close };
}
