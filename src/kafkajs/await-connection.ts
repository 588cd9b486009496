import type { Socket } from 'node:net';
import type { Clock } from '../runtime/clock.ts';
import type { Target } from '../runtime/open-socket.ts';

interface Options {
  readonly clock: Clock;
  /** How long it may take to connect, with TLS, in milliseconds. */
  readonly timeout: number;
  onConnect(): void;
}

/** Tells when a socket for kafkajs is connected to its target; one that is not in time is closed, which kafkajs does not do. */
export function awaitConnection(
  socket: Socket,
  { host, port, tls }: Target,
  { clock, timeout, onConnect }: Options,
): void {
  const cancel = clock.setTimer(
    () => socket.destroy(new Error(`no connection to ${host}:${port} within ${timeout} ms`)),
    timeout,
  );
  socket.once(tls ? 'secureConnect' : 'connect', () => {
    cancel();
    onConnect();
  });
  socket.once('close', cancel);
}
