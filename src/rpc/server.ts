import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo, Server as NetServer } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import { file_google_rpc_error_details } from '../../gen/google/rpc/error_details_pb.ts';
import { Health } from '../../gen/grpc/health/v1/health_pb.ts';
import { type ApiLimits, DEFAULT_API_LIMITS } from '../runtime/api-settings.ts';
import { authority } from '../runtime/authority.ts';
import type { Clock } from '../runtime/clock.ts';
import { withDeadline } from '../runtime/deadline.ts';
import { listenError } from '../runtime/listen-error.ts';
import { type Logger, messageOf } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { Problem, Readiness } from '../runtime/readiness.ts';
import type { Warnings } from '../runtime/warnings.ts';
import { authorized } from './authorized.ts';
import { CallLimits, limited } from './call-limits.ts';
import type { Authenticate } from './caller.ts';
import { GrpcConnections } from './grpc-connections.ts';
import { grpcListener } from './grpc-listener.ts';
import { addService } from './grpc-service.ts';
import { guarded } from './guard.ts';
import { createHealth } from './health.ts';
import { createHttpServer } from './http.ts';
import type { MetricsGate } from './metrics-token.ts';
import type { Pages } from './pages.ts';
import { reflectionServices } from './reflection.ts';
import type { RpcService } from './service.ts';
import type { TlsFiles } from './tls-files.ts';
import { UnfinishedRequests } from './unfinished-requests.ts';
import { UnreadAnswers } from './unread-answers.ts';
import { validated, warmUp } from './validate.ts';
import type { WebSocketService } from './web-socket/handshake.ts';
import type { WebUi } from './web-ui.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const MAX_RECEIVE = 4 << 20;
const MAX_SEND = 16 << 20;
const STOP_DEADLINE = 5 * SECOND;
const STALL_TIMEOUT = 30 * SECOND;

const GRPC_PORT = 'PENSTOCK_GRPC_PORT (--grpc-port)';
const HTTP_PORT = 'PENSTOCK_HTTP_PORT (--http-port)';

const STOPPING: Problem = { name: 'server', reason: 'it is stopping' };

const GRPC_LIMITS: grpc.ServerOptions = {
  'grpc.max_receive_message_length': MAX_RECEIVE,
  'grpc.max_send_message_length': MAX_SEND,
  'grpc.max_concurrent_streams': 100,
  'grpc.keepalive_time_ms': 30 * SECOND,
  'grpc.keepalive_timeout_ms': 10 * SECOND,
  'grpc.max_connection_idle_ms': 5 * MINUTE,
  'grpc.max_connection_age_ms': 60 * MINUTE,
  'grpc.max_connection_age_grace_ms': 30 * SECOND,
};

export interface RpcServerOptions {
  readonly services: readonly RpcService[];
  readonly authenticate: Authenticate;
  /** On the HTTP port. Unset: none but those of the server. */
  readonly pages?: Pages;
  /** The web UI, on the HTTP port. Unset: there is none. */
  readonly webUi?: WebUi | undefined;
  /** On the HTTP port. Unset: none. */
  readonly webSockets?: readonly WebSocketService[];
  /** What is put around what checks callers and requests: it sees also what is refused. Unset: nothing. */
  readonly audit?: ((service: RpcService) => RpcService) | undefined;
  /** The address to listen on; 0.0.0.0 = every one. */
  readonly host: string;
  /** 0 = any free port. */
  readonly grpcPort: number;
  readonly httpPort: number;
  /** Whether browsers keep sessions for TLS alone. Unset: when there is TLS. */
  readonly isCookieSecure?: boolean;
  /** Names with a dot by which JSON over HTTP may be called, beside `host`. Unset: none. */
  readonly httpHosts?: readonly string[];
  /** Other origins whose web pages may call it. Unset: none. */
  readonly corsOrigins?: readonly string[];
  /** Who may read `/metrics`. Unset: whoever may call. */
  readonly mayReadMetrics?: MetricsGate | undefined;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** How long a caller may take nothing of what it is sent before it is cut, in milliseconds. Unset: 30 s. */
  readonly stallTimeout?: number;
  /** What health checks are told while the server is serving. Unset: all is well. */
  readonly readiness?: Pick<Readiness, 'problems' | 'onChange'>;
  /** What is told beside it. Unset: nothing. */
  readonly warnings?: Pick<Warnings, 'all'>;
  /** What both ports show of themselves. Unset: they are without TLS. */
  readonly tls?: TlsFiles | undefined;
  /** Unset: as where nothing is set. */
  readonly limits?: Partial<ApiLimits>;
}

/** Disposing it ends streams at once, gives calls under way 5 s to finish, and closes every connection. */
export interface RpcServer extends AsyncDisposable {
  /** `host:port`, with the port that was taken. */
  readonly grpcAddress: string;
  readonly httpAddress: string;
  /** What health checks are told, from the start: serving. */
  setServing(serving: boolean): void;
}

/**
 * Serves the services over gRPC, with reflection and health, and as JSON over HTTP.
 * @throws UserError when a port cannot be listened on
 */
export async function startRpcServer(options: RpcServerOptions): Promise<RpcServer> {
  const { host, logger, clock } = options;
  const stopping = new AbortController();
  // grpc-js writes to stderr by itself otherwise; what matters of it comes back as errors.
  grpc.setLogger({ error: (line: unknown) => logger.debug('grpc-js', { line: String(line) }) });
  const { grpcServer, listener, httpServer, setServing } = createServers(options, stopping.signal);
  let stopped: Promise<void> | undefined;
  const stop = async () => {
    setServing(false);
    stopping.abort(new Error('the server is stopping'));
    listener.close();
    for (const service of options.webSockets ?? []) service.shutDown();
    await Promise.all([stopGrpc(grpcServer, clock), stopHttp(httpServer, clock)]);
  };
  try {
    const grpcPort = await listen(listener, host, options.grpcPort, GRPC_PORT, logger);
    const httpPort = await listen(httpServer, host, options.httpPort, HTTP_PORT, logger);
    setServing(true);
    return {
      grpcAddress: authority(host, grpcPort),
      httpAddress: authority(host, httpPort),
      setServing,
      [Symbol.asyncDispose]() {
        stopped ??= stop();
        return stopped;
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Both servers with everything they serve, not listening yet. */
function createServers(options: RpcServerOptions, stopping: AbortSignal) {
  const { services, logger, metrics, clock, stallTimeout = STALL_TIMEOUT, readiness, authenticate } = options;
  const health = createHealth();
  const serviceNames = ['', ...services.map(({ service }) => service.typeName)];
  let isServing = false;
  const tell = () => {
    for (const name of serviceNames) {
      const problems = readiness?.problems(name === '' ? undefined : name) ?? [];
      health.set(name, isServing && problems.length === 0);
    }
  };
  const setServing = (serving: boolean) => {
    isServing = serving;
    tell();
  };
  readiness?.onChange(tell);
  const { audit = (service: RpcService) => service } = options;
  const guard = (service: RpcService) =>
    audit(guarded(authorized(validated(service), clock), { logger, stopping }));
  const limits = { ...DEFAULT_API_LIMITS, ...options.limits };
  const calls = new CallLimits(limits, metrics);
  const bounded = (service: RpcService) => limited(guard(service), calls);
  const guardedServices = services.map(bounded);
  warmUp(services);

  const grpcServer = new grpc.Server(GRPC_LIMITS);
  const descriptors = [...services.map(({ service }) => service), Health];
  const reflection = reflectionServices(descriptors, [file_google_rpc_error_details]);
  const onCut = (reason: string) => metrics.answersCut.inc({ protocol: 'grpc', reason });
  const connections = new GrpcConnections(limits, { clock, metrics });
  const requests = new UnfinishedRequests(limits, { clock, metrics });
  const onSent = connections.sent.bind(connections);
  const unread = new UnreadAnswers({ clock, stallTimeout, onCut, onSent });
  for (const service of [...guardedServices, guard(health.service), ...reflection.map(bounded)]) {
    addService(grpcServer, service, { clock, logger, unread, requests, authenticate });
  }
  const listener = grpcListener(grpcServer, { connections, requests, tls: options.tls, metrics, stopping });
  const httpServer = createHttpServer({
    services: guardedServices,
    pages: options.pages ?? new Map(),
    webUi: options.webUi,
    webSockets: options.webSockets ?? [],
    stopping,
    authenticate,
    isCookieSecure: options.isCookieSecure ?? options.tls !== undefined,
    hosts: [options.host, ...(options.httpHosts ?? [])],
    corsOrigins: options.corsOrigins ?? [],
    mayReadMetrics: options.mayReadMetrics,
    metrics,
    logger,
    maxReceive: MAX_RECEIVE,
    maxSend: MAX_SEND,
    stallTimeout,
    problems: () => (isServing ? (readiness?.problems() ?? []) : [STOPPING]),
    warnings: () => options.warnings?.all() ?? [],
    tls: options.tls,
  });
  return { grpcServer, listener, httpServer, setServing };
}

/** Resolves to the port that was taken. `setting`: the one that chooses it. */
async function listen(
  server: NetServer,
  host: string,
  port: number,
  setting: string,
  logger: Logger,
): Promise<number> {
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    throw listenError(error, host, port, setting);
  }
  server.on('error', (error) => logger.error('a server failed', { setting, error: messageOf(error) }));
  return (server.address() as AddressInfo).port;
}

async function stopGrpc(server: grpc.Server, clock: Clock): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.tryShutdown(() => resolve());
  // Late: what is still under way is cut off.
  await withDeadline(clock, STOP_DEADLINE, 'stopping gRPC', promise).catch(() => server.forceShutdown());
}

async function stopHttp(server: Server, clock: Clock): Promise<void> {
  if (!server.listening) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  await withDeadline(clock, STOP_DEADLINE, 'stopping HTTP', promise).catch(() =>
    server.closeAllConnections(),
  );
}
