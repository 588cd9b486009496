import { Client } from 'undici';

/**
 * Connections to one origin, each used by one request at a time. undici's Pool would do, but it looks through all of its
 * connections for each request and makes an object for each one that waits: here nobody waits, for whoever asks is given
 * one, and the delivery bounds how many ask.
 */
export class Connections {
  readonly #origin: string;
  readonly #options: Client.Options;
  readonly #all = new Set<Client>();
  /** The last one given back leaves first: few are kept busy, and the others end by their keep-alive. */
  readonly #free: Client[] = [];

  constructor(origin: string, options: Client.Options) {
    this.#origin = origin;
    this.#options = options;
  }

  take(): Client {
    const free = this.#free.pop();
    if (free) return free;
    const client = new Client(this.#origin, this.#options);
    this.#all.add(client);
    return client;
  }

  give(client: Client): void {
    if (!client.destroyed) this.#free.push(client);
  }

  /** Ends one that was taken, with the request that waits for it. */
  async drop(client: Client, reason: Error): Promise<void> {
    this.#all.delete(client);
    await client.destroy(reason);
  }

  async destroy(): Promise<void> {
    await Promise.all([...this.#all].map((client) => client.destroy()));
  }
}
