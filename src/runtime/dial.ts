import { isIP, type Socket } from 'node:net';
import type { Target } from './open-socket.ts';
import type { TargetGuard } from './target-guard.ts';

/** Opens connections: resolves when one is made, or rejects with the reason, or with the signal's when that aborts. */
export type Dial = (target: Target, signal: AbortSignal) => Promise<Socket>;

/** Straight to the target, through the guard. */
export const dialer =
  (guard: TargetGuard): Dial =>
  ({ host, port, tls }, signal) => {
    const secure = tls && { ...serverName(host), ...tls };
    return made(
      guard.connect(secure ? { host, port, tls: secure } : { host, port }),
      tls !== undefined,
      signal,
    );
  };

/** The name to ask a server for with TLS, without the dot that a full name may end with (RFC 6066 section 3); an address has none. */
export const serverName = (host: string) => (isIP(host) === 0 ? { servername: host.replace(/\.$/, '') } : {});

/** The socket, once its connection is made; destroyed when the signal aborts before. */
export async function made(socket: Socket, isTls: boolean, signal: AbortSignal): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = () => socket.destroy(signal.reason);
  socket.once(isTls ? 'secureConnect' : 'connect', resolve);
  // It stays: until the socket's user listens, an error is to hurt nobody.
  socket.on('error', reject);
  socket.once('close', () => reject(new Error('the connection was closed before it was made')));
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    await promise;
    return socket;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
