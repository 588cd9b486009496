import type { Http2Server } from 'node:http2';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import type { Metrics } from '../runtime/metrics.ts';
import type { GrpcConnections } from './grpc-connections.ts';
import type { TlsFiles } from './tls-files.ts';
import { tlsOptions, watchOver } from './tls-server.ts';
import type { UnfinishedRequests } from './unfinished-requests.ts';

interface Options {
  readonly connections: GrpcConnections;
  readonly requests: UnfinishedRequests;
  /** Unset: without TLS. */
  readonly tls?: TlsFiles | undefined;
  readonly metrics: Metrics;
  readonly stopping: AbortSignal;
}

/**
 * What takes connections for gRPC. By itself grpc-js would let in as many as come, and wait for a TLS handshake for two
 * minutes, for a preface for ever.
 */
export function grpcListener(
  server: grpc.Server,
  { connections, requests, tls, metrics, stopping }: Options,
): Server {
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  for (const http2Server of http2ServersOf(server)) {
    connections.watch(http2Server);
    requests.watch(http2Server);
  }
  const take = (socket: Socket) => {
    // Whoever is still in its handshake when the server stops is served by nobody.
    if (stopping.aborted) socket.destroy();
    else connections.letIn(socket, (arriving) => injector.injectConnection(arriving));
  };
  if (tls === undefined) return createServer(take);
  const listener = createTlsServer({ ...tlsOptions(tls, true), ALPNProtocols: ['h2'] }, take);
  watchOver(listener, tls, { protocol: 'grpc', metrics });
  return listener;
}

/** What grpc-js serves HTTP/2 with, which it keeps to itself. */
function http2ServersOf(server: grpc.Server): Iterable<Http2Server> {
  const { http2Servers } = server as unknown as { readonly http2Servers: ReadonlyMap<Http2Server, unknown> };
  if (http2Servers.size === 0)
    throw new Error('grpc-js keeps its servers elsewhere: nothing would be bounded');
  return http2Servers.keys();
}
