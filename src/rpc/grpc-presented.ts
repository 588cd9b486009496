import type { X509Certificate } from 'node:crypto';
import type { ServerHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type * as grpc from '@grpc/grpc-js';
import type { Presented } from './caller.ts';

/** What a call over gRPC shows of who makes it. Browsers do not call over gRPC: no cookie counts. */
export function presentedBy(
  { metadata }: { readonly metadata: grpc.Metadata },
  { session }: Pick<ServerHttp2Stream, 'session'>,
): Presented {
  const [authorization] = metadata.get('authorization');
  const socket = session?.socket as TLSSocket | undefined;
  return {
    authorization: authorization?.toString(),
    session: undefined,
    address: socket?.remoteAddress ?? '',
    certificate: () => certificateOf(socket),
  };
}

/** Read of each connection once. */
const CERTIFICATES = new WeakMap<Partial<TLSSocket>, X509Certificate>();

/** The certificate that a client has shown, and that is signed by an authority which is trusted for it. */
export function certificateOf(socket: Partial<TLSSocket> | undefined): X509Certificate | undefined {
  // Some versions of Node take a session that is resumed for verified, also one that never had a certificate.
  if (socket?.authorized !== true) return undefined;
  const known = CERTIFICATES.get(socket);
  if (known) return known;
  const certificate = socket.getPeerX509Certificate?.();
  if (certificate) CERTIFICATES.set(socket, certificate);
  return certificate;
}
