import { durationMs } from '@bufbuild/protobuf/wkt';
import type { Client } from 'undici';
import { type HttpConfiguration, HttpVersion } from '../../../../gen/penstock/v1/http_pb.ts';
import { originOf, requestPath } from '../../../contract/endpoint-url.ts';
import { fixedHeaders, type HttpRequest } from '../../../contract/http-request.ts';
import type { HandlerContext } from '../handler.ts';
import { Answer, type AnswerLimits, type HttpAnswer } from './answer.ts';
import { authorizationOf } from './authorization.ts';
import { type Connections, OwnConnections } from './connections.ts';
import { Connector } from './connector.ts';
import { pemOf, proxyOf } from './peers.ts';
import { type Leaving, recordRequest } from './recorded.ts';
import { SharedConnections } from './shared-connections.ts';
import { Statuses } from './statuses.ts';

const CONNECT_TIMEOUT = 10_000;
const DEFAULT_BUFFER_BYTES = 262_144;

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
  readonly #limits: AnswerLimits;
  readonly #recorded: ((leaving: Leaving) => void) | undefined;

  /** @param parallel requests on their way at a time, at most */
  constructor(config: HttpConfiguration, context: HandlerContext, parallel: number) {
    const { guard, missing, clock, record } = context;
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
      ...fixedHeaders(config, authorizationOf(config)),
      ...(isForwarded && proxy.authorization ? { 'proxy-authorization': proxy.authorization } : {}),
    };
    this.#limits = {
      statuses: new Statuses(config),
      maxBytes: config.maxInMemoryBufferSizeBytes ?? DEFAULT_BUFFER_BYTES,
      clock,
      record,
    };
    this.#recorded = record && ((leaving) => recordRequest(record, config, leaving));
  }

  send({ method, path, headers, body }: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const target = path === undefined ? this.#path : this.#prefix + path;
      const leaving = { path: target, method, headers: { ...headers, ...this.#headers }, body };
      this.#recorded?.(leaving);
      new Answer(this.#connections, leaving, this.#limits, signal, resolve, reject);
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
