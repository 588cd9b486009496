import type { Socket } from 'node:net';

/** Resets a connection. One that is ending cannot be: libuv refuses, and Node leaves it in the event loop, which spins. */
export function resetSocket(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
