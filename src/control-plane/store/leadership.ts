import type { Client } from 'pg';
import type { CancelTimer, Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { NameResolver } from '../../runtime/name-resolver.ts';
import type { Queries } from './database.ts';
import { closeLockConnection, openLockConnection } from './lock-connection.ts';
import { PostgresUrl } from './postgres-url.ts';

/** Any number, as long as all nodes lock the same. */
const RELAY_LOCK = 7_305_816_541_002;
/** How often a living node uses its connection, at least, in milliseconds. */
const BEAT = 2000;
/** Of a node that hangs, PostgreSQL ends the connection after so many milliseconds. */
const IDLE_TIMEOUT = 10_000;

interface Deps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly resolver: Pick<NameResolver, 'lookUp'>;
}

/**
 * The one node that relays: it holds an advisory lock on a connection of its own, so that PostgreSQL gives the lock to
 * another as soon as this one is gone, or hangs.
 */
export class Leadership implements AsyncDisposable {
  readonly #postgres: PostgresUrl;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #client: Client | undefined;
  #isLeader = false;
  #term = 0;
  #cancelBeat: CancelTimer | undefined;
  /** The query that is being executed only to be heard. */
  #beat: Promise<unknown> | undefined;
  #isBusy = false;
  #isClosed = false;

  constructor(url: string, deps: Deps) {
    this.#postgres = new PostgresUrl(url, deps);
    this.#clock = deps.clock;
    this.#logger = deps.logger;
  }

  /** Grows each time this node becomes the leader. */
  get term(): number {
    return this.#term;
  }

  /** Runs `work` on the connection that holds the lock, which it so proves; undefined: another node holds it. */
  async run<T>(work: (queries: Queries) => Promise<T>): Promise<T | undefined> {
    this.#isBusy = true;
    try {
      await this.#beat;
      const client = this.#client ?? (await this.#connect());
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
      const asked = this.#clock.lease();
      const done = await work({
        query: async (sql, values = []) => (await client.query(sql, [...values])).rows,
      });
      // The machine was suspended meanwhile: another node has the lock, and what was read is of the past.
      if (this.#clock.lease() - asked >= IDLE_TIMEOUT) throw new Error('the answer came too late');
      return done;
    } catch (error) {
      await this.#disconnect();
      throw error;
    } finally {
      this.#isBusy = false;
    }
  }

  async #connect(): Promise<Client> {
    const client = await openLockConnection({
      postgres: this.#postgres,
      name: 'penstock-relay',
      idleTimeout: IDLE_TIMEOUT,
      logger: this.#logger,
      onBroken: (broken) => {
        if (this.#client === broken) void this.#disconnect();
      },
    });
    if (this.#isClosed) {
      await closeLockConnection(client, this.#clock);
      throw new Error('this node is stopping');
    }
    this.#client = client;
    this.#keepAlive(client);
    return client;
  }

  /** A leader that waits for Kafka is not silent. */
  #keepAlive(client: Client): void {
    this.#cancelBeat = this.#clock.setTimer(() => {
      // Whoever uses the connection next finds out that it is broken.
      if (!this.#isBusy) this.#beat = client.query('select').catch(() => {});
      this.#keepAlive(client);
    }, BEAT);
  }

  async #disconnect(): Promise<void> {
    this.#cancelBeat?.();
    const client = this.#client;
    this.#client = undefined;
    this.#isLeader = false;
    if (client) await closeLockConnection(client, this.#clock);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#disconnect();
  }
}
