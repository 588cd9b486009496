import type { Client } from 'pg';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Queries } from './database.ts';
import { closeLockConnection, openLockConnection } from './lock-connection.ts';

/** Any number, as long as all nodes lock the same. */
const RELAY_LOCK = 7_305_816_541_002;

/**
 * The one node that relays: it holds an advisory lock on a connection of its own, so that PostgreSQL gives the lock to
 * another as soon as this one is gone.
 */
export class Leadership implements AsyncDisposable {
  readonly #url: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #client: Client | undefined;
  #isLeader = false;
  #term = 0;

  constructor(url: string, deps: { readonly clock: Clock; readonly logger: Logger }) {
    this.#url = url;
    this.#clock = deps.clock;
    this.#logger = deps.logger;
  }

  /** Grows each time this node becomes the leader. */
  get term(): number {
    return this.#term;
  }

  /** Runs `work` on the connection that holds the lock, which it so proves; undefined: another node holds it. */
  async run<T>(work: (queries: Queries) => Promise<T>): Promise<T | undefined> {
    try {
      this.#client ??= await openLockConnection(this.#url, 'penstock-relay', this.#logger, (broken) => {
        if (this.#client === broken) void this.#disconnect();
      });
      const client = this.#client;
      if (!this.#isLeader) {
        const { rows } = await client.query<{ held: boolean }>('select pg_try_advisory_lock($1) as held', [
          RELAY_LOCK,
        ]);
        this.#isLeader = rows[0]?.held === true;
        if (this.#isLeader) {
          this.#term++;
          this.#logger.info('this node relays downlink records now');
        }
      }
      if (!this.#isLeader) return undefined;
      return await work({ query: async (sql, values = []) => (await client.query(sql, [...values])).rows });
    } catch (error) {
      await this.#disconnect();
      throw error;
    }
  }

  async #disconnect(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    this.#isLeader = false;
    if (client) await closeLockConnection(client, this.#clock);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#disconnect();
  }
}
