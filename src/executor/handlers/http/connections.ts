import type { Client, Dispatcher } from 'undici';
import { Connection } from './connection.ts';

/** Connections to one origin. */
export interface Connections {
  /** What the next request leaves by. */
  take(): Dispatcher;
  /** The request that was to leave by it is over. */
  give(dispatcher: Dispatcher): void;
  /** What the request leaves by once more whose connection has died under it: by none that may be as dead. */
  replace(dispatcher: Dispatcher): Dispatcher;
  /** Ends a request that nobody waits for any more. @param controller undefined: it has not left yet, and must not */
  cancel(dispatcher: Dispatcher, reason: Error, controller: Dispatcher.DispatchController | undefined): void;
  destroy(): Promise<void>;
}

/**
 * Connections that are each used by one request at a time. undici's Pool would do, but it looks through all of its
 * connections for each request and makes an object for each one that waits: here nobody waits, for whoever asks is given
 * one, and the delivery bounds how many ask.
 */
export class OwnConnections implements Connections {
  readonly #origin: string;
  readonly #options: Client.Options;
  readonly #all = new Set<Connection>();
  /** The last one given back leaves first: few are kept busy, and the others end by their keep-alive. */
  readonly #free: Connection[] = [];

  constructor(origin: string, options: Client.Options) {
    this.#origin = origin;
    this.#options = options;
  }

  take(): Connection {
    const free = this.#free.pop();
    if (free) return free;
    const client = new Connection(this.#origin, this.#options);
    this.#all.add(client);
    return client;
  }

  give(client: Connection): void {
    if (!client.destroyed) this.#free.push(client);
  }

  /** It makes a new connection, since it has lost its own. */
  replace(client: Connection): Connection {
    return client;
  }

  cancel(client: Connection, reason: Error, controller: Dispatcher.DispatchController | undefined): void {
    if (controller) {
      controller.abort(reason);
      return;
    }
    this.#all.delete(client);
    client.destroy(reason, () => {});
  }

  async destroy(): Promise<void> {
    await Promise.all([...this.#all].map((client) => client.destroy()));
  }
}
