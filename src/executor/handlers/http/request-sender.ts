import { durationMs } from '@bufbuild/protobuf/wkt';
import type { Client, Dispatcher } from 'undici';
import { type HttpConfiguration, HttpVersion } from '../../../../gen/penstock/v1/http_pb.ts';
import type { HandlerContext } from '../handler.ts';
import { type Connections, OwnConnections } from './connections.ts';
import { Connector } from './connector.ts';
import { originOf, requestPath } from './endpoint-url.ts';
import { fixedHeaders } from './fixed-headers.ts';
import { pemOf, proxyOf } from './peers.ts';
import { SharedConnections } from './shared-connections.ts';
import { Statuses } from './statuses.ts';

const CONNECT_TIMEOUT = 10_000;
/** Of an answer that is no success, this much goes into the reason. */
const EXCERPT = 200;
const DEFAULT_BUFFER_BYTES = 262_144;

export interface HttpRequest {
  readonly method: 'POST' | 'PUT' | 'PATCH' | 'GET' | 'DELETE' | 'HEAD' | 'OPTIONS';
  /** Path and query; unset: the configuration's. */
  readonly path?: string;
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

/** Sends requests to one endpoint. Redirects are not followed. */
export interface RequestSender {
  /** Rejects when there is no answer, or when the signal aborts. */
  send(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer>;
  destroy(): Promise<void>;
}

/** Sends requests as they are. */
export class HttpSender implements RequestSender {
  readonly #connector: Connector;
  readonly #connections: Connections;
  /** What stands before the path when a proxy is asked for it. */
  readonly #prefix: string;
  readonly #path: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #limits: Limits;

  /** @param parallel requests on their way at a time, at most */
  constructor(config: HttpConfiguration, context: HandlerContext, parallel: number) {
    const { guard, missing, clock } = context;
    const origin = originOf(config.restEndpointUrl);
    const proxy = proxyOf(config);
    const isForwarded = proxy !== undefined && origin.protocol === 'http:';
    const offersHttp2 = config.httpVersion === HttpVersion.HTTP_VERSION_2;
    const connectTimeout = config.connectTimeout ? durationMs(config.connectTimeout) : CONNECT_TIMEOUT;
    this.#connector = new Connector({
      origin,
      guard,
      pem: pemOf(config),
      proxy,
      connectTimeout,
      offersHttp2,
      clock,
    });
    const options = clientOptions(config, this.#connector);
    this.#connections = offersHttp2
      ? new SharedConnections(origin.origin, {
          ...options,
          connections: config.maxConnections ?? Math.min(parallel, context.maxConnections),
        })
      : new OwnConnections(origin.origin, options);
    this.#prefix = isForwarded ? origin.origin : '';
    const path = requestPath(config.restEndpointUrl, missing);
    this.#path = this.#prefix + (typeof path === 'string' ? path : '/');
    this.#headers = {
      ...fixedHeaders(config),
      ...(isForwarded && proxy.authorization ? { 'proxy-authorization': proxy.authorization } : {}),
    };
    this.#limits = {
      statuses: new Statuses(config),
      maxBytes: config.maxInMemoryBufferSizeBytes ?? DEFAULT_BUFFER_BYTES,
    };
  }

  send({ method, path, headers, body }: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const dispatcher = this.#connections.take();
      const answer = new Answer(this.#connections, dispatcher, this.#limits, signal, resolve, reject);
      const target = path === undefined ? this.#path : this.#prefix + path;
      dispatcher.dispatch({ path: target, method, headers: { ...headers, ...this.#headers }, body }, answer);
    });
  }

  async destroy(): Promise<void> {
    this.#connector[Symbol.dispose]();
    await this.#connections.destroy();
  }
}

function clientOptions(config: HttpConfiguration, { connect }: Connector): Client.Options {
  const keepAlive = config.keepAliveTimeout && durationMs(config.keepAliveTimeout);
  return {
    pipelining: 1,
    // The caller's signal is the deadline: undici's own timers are coarse.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect,
    ...(keepAlive ? { keepAliveTimeout: keepAlive, keepAliveMaxTimeout: keepAlive } : {}),
  };
}

interface Limits {
  readonly statuses: Statuses;
  readonly maxBytes: number;
}

/** Takes one answer: the status decides, the body is read only so far that the connection can be used again. */
class Answer implements Dispatcher.DispatchHandler {
  readonly #connections: Connections;
  readonly #dispatcher: Dispatcher;
  readonly #limits: Limits;
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
    dispatcher: Dispatcher,
    limits: Limits,
    signal: AbortSignal,
    resolve: (answer: HttpAnswer) => void,
    reject: (error: unknown) => void,
  ) {
    this.#connections = connections;
    this.#dispatcher = dispatcher;
    this.#limits = limits;
    this.#signal = signal;
    this.#resolve = resolve;
    this.#reject = reject;
    signal.addEventListener('abort', this.#abort);
  }

  readonly #abort = () => {
    const { reason } = this.#signal;
    this.#reject(reason);
    this.#connections.cancel(this.#dispatcher, reason, this.#controller);
  };

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // One that waited for a shared connection must not leave any more.
    if (this.#signal.aborted) controller.abort(this.#signal.reason);
  }

  onResponseStart(
    _: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.#status = status;
    if (!this.#limits.statuses.isSuccess(status)) this.#retryAfter = [headers['retry-after']].flat()[0];
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { statuses, maxBytes } = this.#limits;
    this.#bytes += chunk.length;
    if (!statuses.isSuccess(this.#status) && this.#excerpt.length < EXCERPT) {
      this.#excerpt = (this.#excerpt + chunk.toString('utf8', 0, EXCERPT)).slice(0, EXCERPT);
    }
    if (this.#bytes <= maxBytes) return;
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
    this.#connections.give(this.#dispatcher);
  }
}
