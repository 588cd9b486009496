import type { Socket } from 'node:net';
import type { ISocketFactory } from 'kafkajs';
import { awaitConnection } from '../../../kafkajs/await-connection.ts';
import type { Clock } from '../../../runtime/clock.ts';
import type { TargetGuard } from '../../../runtime/target-guard.ts';
import type { KafkaOptions } from './options.ts';
import { DisconnectedError } from './reason.ts';

const KEEP_ALIVE = 60_000;
/** Brokers whose lost connections are remembered: they may come and go under new names for as long as an integration runs. */
const MAX_LOST = 100;

interface Deps {
  readonly guard: TargetGuard;
  readonly clock: Clock;
}

/** The connections of one kafkajs client, also to the addresses that brokers name. They can be closed at once, for good. */
export class Sockets {
  readonly #open = new Set<Socket>();
  readonly #deps: Deps;
  readonly #options: Pick<KafkaOptions, 'connectTimeout' | 'maxIdle'>;
  #closed: Error | undefined;
  /** The last connection to each broker that was lost, by its `host:port` as kafkajs has it. */
  readonly lost = new Map<string, Error>();

  constructor(options: Pick<KafkaOptions, 'connectTimeout' | 'maxIdle'>, deps: Deps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** For kafkajs. */
  readonly open: ISocketFactory = ({ host, port, ssl, onConnect }) => {
    if (this.#closed) throw this.#closed;
    const { connectTimeout, maxIdle } = this.#options;
    const target = { host: hostOf(host), port, ...(ssl && { tls: ssl }) };
    const socket = this.#deps.guard.connect(target);
    this.#open.add(socket);
    let isOpen = false;
    awaitConnection(socket, target, {
      clock: this.#deps.clock,
      timeout: connectTimeout,
      onConnect() {
        isOpen = true;
        onConnect();
      },
    });
    let cause: Error | undefined;
    socket.on('error', (error) => {
      cause = error;
    });
    socket.once('close', () => {
      this.#open.delete(socket);
      const lost = new DisconnectedError(`the connection to ${target.host}:${port} was lost`, isOpen, cause);
      this.#keep(`${host}:${port}`, lost);
    });
    socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE);
    socket.setTimeout(maxIdle, () => socket.destroy(new Error(`nothing was sent for ${maxIdle} ms`)));
    return socket;
  };

  #keep(broker: string, lost: Error): void {
    this.lost.delete(broker);
    this.lost.set(broker, lost);
    const [oldest] = this.lost.keys();
    if (this.lost.size > MAX_LOST) this.lost.delete(oldest!);
  }

  /** Resolves when what was written has left but for a little. Rejects when a connection is lost before. */
  async drained(): Promise<void> {
    await Promise.all([...this.#open].filter(({ writableNeedDrain }) => writableNeedDrain).map(drain));
  }

  /** Closes every connection with this error; there will be no others. */
  close(why: Error): void {
    this.#closed = why;
    for (const socket of this.#open) socket.destroy(why);
  }
}

function drain(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = () => {
      socket.off('close', lost);
      resolve();
    };
    const lost = () => {
      socket.off('drain', done);
      reject(new Error('the connection was lost before everything was sent'));
    };
    socket.once('drain', done);
    socket.once('close', lost);
  });
}

/**
 * A bootstrap server for kafkajs, which takes everything from the first colon on for the port: an IPv6 address goes in
 * with underscores.
 */
export function bootstrapServer(server: string): string {
  const at = server.lastIndexOf(':');
  return server.slice(0, at).replaceAll(':', '_') + server.slice(at);
}

/** The host of a bootstrap server that kafkajs was given, or of a broker. */
export const hostOf = (host: string) =>
  host.startsWith('[') ? host.slice(1, -1).replaceAll('_', ':') : host;
