import type { Client } from 'pg';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { NameResolver } from '../../runtime/name-resolver.ts';
import { OneByOne } from '../../runtime/one-by-one.ts';
import { unavailable } from './database.ts';
import { closeLockConnection, openLockConnection } from './lock-connection.ts';
import { PostgresUrl } from './postgres-url.ts';

/** Disposing it gives the lock back. */
export interface Lock extends AsyncDisposable {
  /** Aborts, with an `RpcError`, when the lock is lost: another node may have it from now on. */
  readonly signal: AbortSignal;
  /**
   * Asks PostgreSQL, before something that only its holder may do. Rejects when the lock is lost, also where that is not
   * known yet because the machine was suspended.
   */
  prove(): Promise<void>;
}

interface Deps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly resolver: Pick<NameResolver, 'lookUp'>;
}

/** Locks by name that hold across nodes, all of this node's on one connection to PostgreSQL. */
export class Locks implements AsyncDisposable {
  readonly #postgres: PostgresUrl;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** PostgreSQL would give a connection the same lock twice. */
  readonly #held = new Map<string, AbortController>();
  #connection: Promise<Client> | undefined;
  /** Of the questions, whose deadlines begin when they are asked: one that waits for others is not late. */
  readonly #line = new OneByOne();
  #isClosed = false;

  /** Connects with the first lock. */
  constructor(url: string, deps: Deps) {
    this.#postgres = new PostgresUrl(url, deps);
    this.#clock = deps.clock;
    this.#logger = deps.logger;
  }

  /** Undefined: somebody holds it. @throws RpcError UNAVAILABLE when PostgreSQL cannot be reached */
  async tryLock(name: string): Promise<Lock | undefined> {
    if (this.#held.has(name)) return undefined;
    const lost = new AbortController();
    this.#held.set(name, lost);
    try {
      if (await this.#ask('pg_try_advisory_lock', name)) {
        return {
          signal: lost.signal,
          prove: () => this.#prove(lost.signal),
          [Symbol.asyncDispose]: () => this.#release(name, lost),
        };
      }
    } catch (cause) {
      throw unavailable(cause);
    }
    this.#held.delete(name);
    return undefined;
  }

  async #prove(lost: AbortSignal): Promise<void> {
    const connection = this.#connection;
    try {
      await this.#line.run(async () => (await connection)?.query('select'));
    } catch (error) {
      if (this.#connection === connection) void this.#lose(error); // aborts the signal at once
    }
    lost.throwIfAborted();
  }

  async #release(name: string, lost: AbortController): Promise<void> {
    if (this.#held.get(name) !== lost) return;
    // The connection's end, if it comes to that, gives it back too.
    await this.#ask('pg_advisory_unlock', name).catch(() => {});
    if (this.#held.get(name) === lost) this.#held.delete(name);
  }

  async #ask(lockFunction: string, name: string): Promise<boolean> {
    if (this.#isClosed) throw new Error('this node stops');
    this.#connection ??= openLockConnection({
      postgres: this.#postgres,
      name: 'penstock-locks',
      logger: this.#logger,
      onBroken: () => void this.#lose(),
    });
    const connection = this.#connection;
    try {
      return await this.#line.run(async () => {
        const sql = `select ${lockFunction}(hashtextextended($1, 0)) as done`;
        const { rows } = await (await connection).query<{ done: boolean }>(sql, [name]);
        return rows[0]?.done === true;
      });
    } catch (error) {
      if (this.#connection === connection) void this.#lose(error);
      throw error;
    }
  }

  async #lose(cause: unknown = new Error('the connection with the locks is lost')): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    for (const lost of this.#held.values()) lost.abort(unavailable(cause));
    this.#held.clear();
    const client = await connection?.catch(() => undefined);
    if (client) await closeLockConnection(client, this.#clock);
  }

  /** Whoever still holds a lock loses it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#lose(new Error('this node stops'));
  }
}
