import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { DescMethod } from '@bufbuild/protobuf';
import type { MethodImpl } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { type Logger, messageOf } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { Problem } from '../runtime/readiness.ts';
import type { Authenticate } from './caller.ts';
import { rpcErrors, tellingMalformed } from './connect.ts';
import { corsListener } from './cors.ts';
import { HttpCallers, MAX_OPEN_RECEIVE, withCallers } from './http-callers.ts';
import { guardedListener, hostsOf, type Judge, judgeOf, type Refusal, refuse } from './http-guard.ts';
import { HttpRoom } from './http-room.ts';
import { jsonOptionsFor } from './json-request.ts';
import { sendMetrics } from './metrics-page.ts';
import type { MetricsGate } from './metrics-token.ts';
import { openApiPage } from './openapi-page.ts';
import type { Page, Pages } from './pages.ts';
import { namesOf, readyPage, reasonsOf } from './ready-page.ts';
import { isRest, restListener } from './rest/rest-listener.ts';
import type { RpcService } from './service.ts';
import type { TlsFiles } from './tls-files.ts';
import { tlsOptions, watchOver } from './tls-server.ts';
import { UnfinishedBodies } from './unfinished-bodies.ts';
import type { WebSocketService } from './web-socket/handshake.ts';
import { WebSockets } from './web-socket/web-sockets.ts';
import type { WebUi } from './web-ui.ts';

const SECOND = 1000;

interface HttpOptions {
  readonly services: readonly RpcService[];
  /** Beside its own. */
  readonly pages: Pages;
  /** Unset: there is none. */
  readonly webUi: WebUi | undefined;
  readonly webSockets: readonly WebSocketService[];
  /** The server stops. */
  readonly stopping: AbortSignal;
  readonly authenticate: Authenticate;
  /** Whether browsers keep sessions for TLS alone. */
  readonly isCookieSecure: boolean;
  /** Names with a dot that may be called, and whose pages may call. */
  readonly hosts: readonly string[];
  /** Other origins whose pages may call. */
  readonly corsOrigins: readonly string[];
  /** Unset: whoever is let in. */
  readonly mayReadMetrics: MetricsGate | undefined;
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

/** The services as JSON over HTTP (the Connect protocol, and the paths of their own), with `/metrics`, `/health/live` and `/health/ready`. */
export function createHttpServer(options: HttpOptions): Server {
  const room = new HttpRoom(options.metrics);
  const bodies = new UnfinishedBodies(options.metrics);
  const { corsOrigins, tls, metrics, mayReadMetrics } = options;
  const hosts = hostsOf(options.hosts);
  const judge = judgeOf({ hosts, corsOrigins, needsClients: tls?.needsClients ?? false });
  // A token of its own stands for a login.
  const open = [...options.pages.keys(), ...(mayReadMetrics ? ['/metrics'] : [])];
  const callers = new HttpCallers(options.services, open, options);
  const rpc = { ...options, judge, callers };
  const known = callers.listener(rpcListener(rpc), rpcListener({ ...rpc, maxReceive: MAX_OPEN_RECEIVE }));
  const webSockets = new WebSockets(options.webSockets, { ...options, judge, room });
  const inner = webSockets.listener(corsListener(corsOrigins, known));
  const listener = originForm(
    cutting(options, room.listener(bodies.listener(guardedListener(inner, { ...options, judge })))),
  );
  const general = { ...TIMES, shouldUpgradeCallback: webSockets.isWanted };
  // Without a certificate there is an answer to whoever asks for health.
  const server = tls
    ? createTlsServer({ ...general, ...tlsOptions(tls, false) }, listener)
    : createServer(general, listener);
  if (tls) watchOver(server as TlsServer, tls, { protocol: 'http', metrics });
  webSockets.serve(server);
  const others = options.webSockets.map(({ maxConnections }) => maxConnections);
  room.guard(server, Math.max(0, ...others));
  return server;
}

/** Also who names the whole URL, as to a proxy, asks for its path. */
function originForm(listener: RequestListener): RequestListener {
  return (request, response) => {
    const isWhole = URL.canParse(request.url!);
    const [authority = ''] = (isWhole && /^https?:\/\/[^/?#]*/i.exec(request.url!)) || [];
    const target = request.url!.slice(authority.length);
    request.url = target.startsWith('/') || authority === '' ? target : `/${target}`;
    listener(request, response);
  };
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
  const { services, callers, maxReceive, maxSend } = options;
  const { contextValues, refusalFor } = callers;
  let rest: ReturnType<typeof restListener>;
  const pages = pageListener(options);
  return connectNodeAdapter({
    ...PROTOCOLS,
    readMaxBytes: maxReceive,
    writeMaxBytes: maxSend,
    interceptors: [rpcErrors],
    contextValues,
    routes(router) {
      for (const { service, handlers } of services.map(withCallers)) {
        for (const method of service.methods) {
          const options = { ...PROTOCOLS, jsonOptions: jsonOptionsFor(method.input) };
          router.rpc(method, handlers[method.localName] as unknown as MethodImpl<DescMethod>, options);
        }
      }
      router.handlers.splice(0, router.handlers.length, ...router.handlers.map(tellingMalformed));
      const { handlers } = router;
      const schemas = services.map(({ service }) => service);
      rest = restListener({ ...options, services: schemas, handlers, contextValues, refusalFor });
    },
    fallback: (request, response) =>
      isRest(request.url)
        ? rest(request as IncomingMessage, response as ServerResponse) // over HTTP/1 alone
        : pages(request, response),
  });
}

/** What answers one request, over HTTP/1 or HTTP/2. */
type PageHandler = ReturnType<typeof connectNodeAdapter>;
type PageRequest = Parameters<PageHandler>[0];

type PageDeps =
  | 'services'
  | 'mayReadMetrics'
  | 'metrics'
  | 'logger'
  | 'problems'
  | 'warnings'
  | 'pages'
  | 'webUi';
interface PageOptions extends Pick<HttpOptions, PageDeps> {
  readonly judge: Judge;
  readonly callers: Pick<HttpCallers, 'knows'>;
}

const NO_TOKEN: Refusal = {
  status: 401,
  message: 'the figures take a token: send Authorization: Bearer with what is in PENSTOCK_METRICS_TOKEN',
  headers: { 'www-authenticate': 'Bearer realm="metrics"' },
};

function pageListener(options: PageOptions): PageHandler {
  const { logger } = options;
  const sendOpenApi = openApiPage(options.services.map(({ service }) => service));
  return async (request, response) => {
    if (pathOf(request) === '/metrics') {
      if (options.mayReadMetrics?.(request.headers.authorization) ?? true)
        return sendMetrics(request, response, options);
      return refuse(response as ServerResponse, NO_TOKEN); // over HTTP/1 alone
    }
    if (pathOf(request) === '/openapi.json') return sendOpenApi(request, response);
    // Pages have names of their own; what is left may be of the UI.
    const isNamed = options.pages.has(pathOf(request) ?? '');
    if (!isNamed && options.webUi?.send(request, response as ServerResponse)) return; // over HTTP/1 alone
    const {
      status,
      text,
      type = 'text/plain; charset=utf-8',
      headers = {},
    } = await pageOf(request, options).catch((error): Page => {
      logger.error('a page cannot be made', { path: pathOf(request), error: messageOf(error) });
      return { status: 500, text: 'internal error: see the log\n' };
    });
    response.writeHead(status, { ...headers, 'content-type': type });
    response.end(text);
  };
}

/** Of a request for a page. */
const pathOf = ({ method, url }: PageRequest): string | undefined =>
  method === 'GET' || method === 'HEAD' ? url?.split('?', 1)[0] : undefined;

async function pageOf(
  request: PageRequest,
  { problems, warnings, judge, callers, pages }: PageOptions,
): Promise<Page> {
  const path = pathOf(request);
  const page = request.method === 'GET' ? pages.get(path ?? '') : undefined;
  if (page) {
    const query = new URLSearchParams(request.url?.slice(path!.length));
    return await page({ query, headers: request.headers, address: request.socket.remoteAddress ?? '' });
  }
  switch (path) {
    case '/health/live':
      return { status: 200, text: 'live\n' };
    case '/health/ready':
      if (judge(request as IncomingMessage) !== undefined) return readyPage(problems(), () => []);
      return readyPage(problems(), callers.knows(request) ? reasonsOf(warnings()) : namesOf);
    default:
      return { status: 404, text: 'not found\n' };
  }
}
