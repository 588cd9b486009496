import type { Socket } from 'node:net';
import type { Target } from './open-socket.ts';
import type { TargetGuard } from './target-guard.ts';

/** Opens connections: resolves when one is made, or rejects with the reason, or with the signal's when that aborts. */
export type Dial = (target: Target, signal: AbortSignal) => Promise<Socket>;

/** Straight to the target, through the guard. */
export const dialer =
  (guard: TargetGuard): Dial =>
  (target, signal) =>
    made(guard.connect(target), target.tls !== undefined, signal);

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
