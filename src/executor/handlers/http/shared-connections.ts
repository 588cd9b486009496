import { type Dispatcher, Pool } from 'undici';
import { Connection } from './connection.ts';
import type { Connections } from './connections.ts';

const factory = (origin: URL, options: object) => new Connection(origin, options);

/**
 * Connections that carry many requests at a time where the endpoint speaks HTTP/2, and one at a time where it does not.
 * With HTTP/2 a request that is given up leaves its connection open, also one that has died without a sign: all that
 * follow would wait for it in vain. So the next ones leave by new connections, and the old ones end with their requests.
 */
export class SharedConnections implements Connections {
  readonly #create: () => Pool;
  #pool: Pool;
  readonly #retired = new Set<Pool>();

  constructor(origin: string, options: Pool.Options) {
    this.#create = () => new Pool(origin, { ...options, factory });
    this.#pool = this.#create();
  }

  take(): Dispatcher {
    return this.#pool;
  }

  give(): void {}

  replace(pool: Dispatcher): Dispatcher {
    if (pool === this.#pool && !this.#pool.destroyed) this.#renew();
    return this.#pool;
  }

  cancel(pool: Dispatcher, reason: Error, controller: Dispatcher.DispatchController | undefined): void {
    controller?.abort(reason);
    if (pool === this.#pool) this.#renew();
  }

  #renew(): void {
    const old = this.#pool;
    this.#pool = this.#create();
    this.#retired.add(old);
    old.close(() => this.#retired.delete(old));
  }

  async destroy(): Promise<void> {
    await Promise.all([this.#pool, ...this.#retired].map((pool) => pool.destroy()));
  }
}
