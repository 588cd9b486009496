import { buildConnector, type Client, type Dispatcher } from 'undici';
import type { HttpConfiguration } from '../../../../gen/penstock/v1/http_pb.ts';
import type { TargetGuard } from '../../../runtime/target-guard.ts';
import { fixedHeaders, tlsOptions } from './connection.ts';
import { Connections } from './connections.ts';

const CONNECT_TIMEOUT = 10_000;
/** Of an answer that is no success, this much goes into the reason. */
const EXCERPT = 200;
const DEFAULT_BUFFER_BYTES = 262_144;

export interface HttpRequest {
  readonly method: 'POST' | 'PUT' | 'PATCH' | 'GET' | 'DELETE' | 'HEAD';
  /** On top of the configuration's own, which win. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | null;
}

export interface HttpAnswer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** The beginning of the body, when the status is no success. */
  readonly excerpt: string;
}

/** Sends requests to one endpoint, each over a connection of its own while it lasts. Redirects are not followed. */
export class HttpSender {
  readonly #connections: Connections;
  readonly #path: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #maxBytes: number;

  constructor(config: HttpConfiguration, guard: TargetGuard) {
    const url = new URL(config.restEndpointUrl);
    this.#path = url.pathname + url.search;
    this.#headers = fixedHeaders(config);
    this.#maxBytes = config.maxInMemoryBufferSizeBytes ?? DEFAULT_BUFFER_BYTES;
    this.#connections = new Connections(url.origin, {
      pipelining: 1,
      allowH2: false, // one connection would carry more than its share of the parallel requests
      // The caller's signal is the deadline: undici's own timers are coarse.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: guardedConnector(config, guard),
    });
  }

  /** Rejects when there is no answer, or when the signal aborts. */
  send({ method, headers, body }: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const client = this.#connections.take();
      const answer = new Answer(this.#connections, client, this.#maxBytes, signal, resolve, reject);
      client.dispatch({ path: this.#path, method, headers: { ...headers, ...this.#headers }, body }, answer);
    });
  }

  destroy(): Promise<void> {
    return this.#connections.destroy();
  }
}

/** undici's own connector, through the guard. */
function guardedConnector(config: HttpConfiguration, guard: TargetGuard): buildConnector.connector {
  const connect = buildConnector({
    timeout: CONNECT_TIMEOUT,
    allowH2: false,
    lookup: guard.lookup,
    ...tlsOptions(config.credentials),
  });
  const refusal = (host: string): Error | undefined => {
    try {
      guard.checkLiteral(host);
      return undefined;
    } catch (error) {
      return error as Error;
    }
  };
  return (target, callback) => {
    const refused = refusal(target.hostname);
    // As late as any other failure to connect.
    if (refused) return queueMicrotask(() => callback(refused, null));
    connect(target, (error, socket) => {
      const failure = error ?? (socket.remoteAddress ? refusal(socket.remoteAddress) : undefined);
      if (!failure) return callback(null, socket!);
      socket?.destroy();
      callback(failure, null);
    });
  };
}

/** Takes one answer: the status decides, the body is read only so far that the connection can be used again. */
class Answer implements Dispatcher.DispatchHandler {
  readonly #connections: Connections;
  readonly #client: Client;
  readonly #maxBytes: number;
  readonly #signal: AbortSignal;
  readonly #resolve: (answer: HttpAnswer) => void;
  readonly #reject: (error: unknown) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #status = 0;
  #retryAfter: string | undefined;
  #bytes = 0;
  #excerpt = '';

  constructor(
    connections: Connections,
    client: Client,
    maxBytes: number,
    signal: AbortSignal,
    resolve: (answer: HttpAnswer) => void,
    reject: (error: unknown) => void,
  ) {
    this.#connections = connections;
    this.#client = client;
    this.#maxBytes = maxBytes;
    this.#signal = signal;
    this.#resolve = resolve;
    this.#reject = reject;
    signal.addEventListener('abort', this.#abort);
  }

  readonly #abort = () => {
    const { reason } = this.#signal;
    this.#reject(reason);
    if (this.#controller) this.#controller.abort(reason);
    else void this.#connections.drop(this.#client, reason); // it must not leave when there is a connection, later
  };

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
  }

  onResponseStart(
    _: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.#status = status;
    if (!isSuccess(status)) this.#retryAfter = [headers['retry-after']].flat()[0];
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (!isSuccess(this.#status) && this.#excerpt.length < EXCERPT) {
      this.#excerpt = (this.#excerpt + chunk.toString('utf8', 0, EXCERPT)).slice(0, EXCERPT);
    }
    if (this.#bytes <= this.#maxBytes) return;
    this.#answered();
    controller.abort(new Error('the answer is longer than max_in_memory_buffer_size_bytes'));
  }

  onResponseEnd(): void {
    this.#answered();
    this.#end();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#reject(error);
    this.#end();
  }

  #answered(): void {
    this.#resolve({ status: this.#status, retryAfter: this.#retryAfter, excerpt: this.#excerpt });
  }

  #end(): void {
    this.#signal.removeEventListener('abort', this.#abort);
    this.#connections.give(this.#client);
  }
}

export const isSuccess = (status: number) => status >= 200 && status < 300;
