import type { Socket } from 'node:net';
import type { Server, TLSSocket, TlsOptions } from 'node:tls';
import type { Metrics } from '../runtime/metrics.ts';
import type { TlsFiles } from './tls-files.ts';

/** How long a client may take for the handshake, in milliseconds. */
const HANDSHAKE_TIMEOUT = 5000;
/** Handshakes at a time: of more, the oldest is cut. */
const MAX_HANDSHAKES = 200;

/** For a server that shows what is in the files. @param mustShow whether a client without a certificate is let in nowhere */
export function tlsOptions(files: TlsFiles, mustShow: boolean): TlsOptions {
  return {
    ...files.material,
    minVersion: 'TLSv1.2',
    handshakeTimeout: HANDSHAKE_TIMEOUT,
    requestCert: files.asksClients,
    rejectUnauthorized: files.needsClients && mustShow,
  };
}

/**
 * Shows to who connects from now on what is in the files from now on; connections that are open stay. Whoever opens sockets
 * and says nothing keeps nobody out.
 * @param protocol for metrics: `grpc` or `http`
 */
export function watchOver(
  server: Server,
  files: TlsFiles,
  {
    protocol,
    metrics,
  }: { readonly protocol: string; readonly metrics: Pick<Metrics, 'tlsHandshakesFailed'> },
): void {
  const failed = () => metrics.tlsHandshakesFailed.inc({ protocol });
  const forget = files.onChange((material) =>
    server.setSecureContext({ ...material, minVersion: 'TLSv1.2' }),
  );
  server.on('close', forget);
  server.on('tlsClientError', (_error, socket) => {
    failed();
    socket.destroy();
  });
  const open = new Map<string, Socket>();
  server.on('connection', (socket: Socket) => {
    const name = nameOf(socket);
    open.set(name, socket);
    socket.once('close', () => open.get(name) === socket && open.delete(name));
    if (open.size <= MAX_HANDSHAKES) return;
    const [oldest] = open;
    open.delete(oldest![0]);
    oldest![1].destroy();
    failed();
  });
  server.on('secureConnection', (socket) => open.delete(nameOf(socket)));
}

/** A connection with TLS and the socket below it have this in common. */
const nameOf = ({ remoteAddress, remotePort }: Socket | TLSSocket) => `${remoteAddress} ${remotePort}`;
