import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { DescMethod } from '@bufbuild/protobuf';
import type { MethodImpl } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';

import { type Logger, messageOf } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { Problem } from '../runtime/readiness.ts';
import type { Authenticate } from './caller.ts';
import { rpcErrors, tellingMalformed } from './connect.ts';
import { HttpCallers, withCallers } from './http-callers.ts';
import { guardedListener, type Judge, judgeOf } from './http-guard.ts';
import { HttpRoom } from './http-room.ts';
import { jsonOptionsFor } from './json-request.ts';
import { sendMetrics } from './metrics-page.ts';
import type { RpcService } from './service.ts';
import type { TlsFiles } from './tls-files.ts';
import { tlsOptions, watchOver } from './tls-server.ts';

const SECOND = 1000;

interface HttpOptions {
  readonly services: readonly RpcService[];
  readonly authenticate: Authenticate;
  /** Names with a dot that may be called, and whose pages may call. */
  readonly hosts: readonly string[];
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** The largest request and the largest response, in bytes. */
  readonly maxReceive: number;
  readonly maxSend: number;
  /** A caller that takes nothing of what it is sent for so many milliseconds is cut. */
  readonly stallTimeout: number;
  /** Why the server is not ready; empty: it is. */
  readonly problems: () => readonly Problem[];
  readonly warnings: () => readonly string[];
  /** Unset: without TLS. */
  readonly tls?: TlsFiles | undefined;
}

const TIMES = {
  headersTimeout: 10 * SECOND,
  requestTimeout: 30 * SECOND,
  keepAliveTimeout: 60 * SECOND,
  maxHeaderSize: 16 << 10,
};

/** The services as JSON over HTTP (the Connect protocol), with `/metrics`, `/health/live` and `/health/ready`. */
export function createHttpServer(options: HttpOptions): Server {
  const room = new HttpRoom(options.metrics);
  const { hosts, tls, metrics } = options;
  const judge = judgeOf(hosts, tls?.asksClients);
  const callers = new HttpCallers(options.services, [], options);
  const known = callers.listener(rpcListener({ ...options, judge, callers }));
  const listener = cutting(options, room.listener(guardedListener(known, { ...options, judge })));
  if (tls === undefined) {
    const server = createServer(TIMES, listener);
    room.guard(server);
    return server;
  }
  // Without a certificate there is an answer to whoever asks for health.
  const server = createTlsServer({ ...TIMES, ...tlsOptions(tls, false) }, listener);
  watchOver(server, tls, { protocol: 'http', metrics });
  room.guard(server);
  return server;
}

/** Cuts a response that is not read: a stream would wait for its caller for ever. */
function cutting({ stallTimeout, metrics }: HttpOptions, listener: RequestListener): RequestListener {
  return (request, response) => {
    response.on('error', () => {});
    response.setTimeout(stallTimeout, () => {
      if (!response.socket?.writableLength) return; // there is nothing to read
      metrics.answersCut.inc({ protocol: 'http', reason: 'stalled' });
      // Connect takes it for a caller that went away; what a cut write says by itself it prints.
      response.emit('error', Object.assign(new Error('the caller does not read'), { code: 'ECONNRESET' }));
      response.destroy();
    });
    listener(request, response);
  };
}

const PROTOCOLS = { grpc: false, grpcWeb: false };

function rpcListener(
  options: PageOptions & HttpOptions & { readonly callers: HttpCallers },
): RequestListener {
  const { services, callers, maxReceive, maxSend, ...rest } = options;
  return connectNodeAdapter({
    ...PROTOCOLS,
    readMaxBytes: maxReceive,
    writeMaxBytes: maxSend,
    interceptors: [rpcErrors],
    contextValues: callers.contextValues,
    routes(router) {
      for (const { service, handlers } of services.map(withCallers)) {
        for (const method of service.methods) {
          const options = { ...PROTOCOLS, jsonOptions: jsonOptionsFor(method.input) };
          router.rpc(method, handlers[method.localName] as unknown as MethodImpl<DescMethod>, options);
        }
      }
      router.handlers.splice(0, router.handlers.length, ...router.handlers.map(tellingMalformed));
    },
    fallback: pageListener(rest),
  });
}

interface Page {
  readonly status: number;
  readonly text: string;
  readonly type?: string;
}

/** What answers one request, over HTTP/1 or HTTP/2. */
type PageHandler = ReturnType<typeof connectNodeAdapter>;
type PageRequest = Parameters<PageHandler>[0];

interface PageOptions extends Pick<HttpOptions, 'metrics' | 'logger' | 'problems' | 'warnings'> {
  readonly judge: Judge;
}

function pageListener(options: PageOptions): PageHandler {
  const { logger } = options;
  return async (request, response) => {
    if (pathOf(request) === '/metrics') return sendMetrics(request, response, options);
    const {
      status,
      text,
      type = 'text/plain; charset=utf-8',
    } = await pageOf(request, options).catch((error) => {
      logger.error('a page cannot be made', { url: request.url, error: messageOf(error) });
      return { status: 500, text: 'internal error: see the log\n', type: undefined };
    });
    response.writeHead(status, { 'content-type': type });
    response.end(text);
  };
}

/** Of a request for a page. */
const pathOf = ({ method, url }: PageRequest): string | undefined =>
  method === 'GET' || method === 'HEAD' ? url?.split('?', 1)[0] : undefined;

async function pageOf(request: PageRequest, { problems, warnings, judge }: PageOptions): Promise<Page> {
  switch (pathOf(request)) {
    case '/health/live':
      return { status: 200, text: 'live\n' };
    case '/health/ready':
      return readyPage(problems(), warnings(), judge(request as IncomingMessage) === undefined);
    default:
      return { status: 404, text: 'not found\n' };
  }
}

/** To a page or a name of somebody else no more is told than whether it is. */
function readyPage(problems: readonly Problem[], warnings: readonly string[], isOwn: boolean): Page {
  const isReady = problems.length === 0;
  const reasons = [
    ...problems.map(({ name, reason }) => `${name}: ${reason}`),
    ...warnings.map((text) => `warning: ${text}`),
  ];
  const lines = isOwn ? reasons : [];
  return { status: isReady ? 200 : 503, text: [isReady ? 'ready' : 'not ready', ...lines, ''].join('\n') };
}
