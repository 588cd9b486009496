import { Client, type ClientConfig, DatabaseError, Pool, type PoolClient, type QueryResultRow } from 'pg';
import { Code } from '../../../gen/google/rpc/code_pb.ts';
import { failed, RpcError } from '../../rpc/error.ts';
import type { Clock } from '../../runtime/clock.ts';
import { withDeadline } from '../../runtime/deadline.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import type { NameResolver } from '../../runtime/name-resolver.ts';
import { postgresReason } from './postgres-reason.ts';
import { PostgresUrl } from './postgres-url.ts';

const CONNECT_TIMEOUT = 2000;
const STATEMENT_TIMEOUT = 2000;
// A little longer than the server's own, so that the server is the one that cancels while it still can.
const QUERY_TIMEOUT = 2500;
const TRANSACTION_TRIES = 3;
const END_TIMEOUT = 3000;

/** SQLSTATEs that say "not now": connection, rollback, resources, cancelled, shutdown, read-only after a failover. */
const UNAVAILABLE = /^(08|40|53|57014|57P0|25006)/;
/** Serialization failure and deadlock: the same transaction may succeed at once. */
const REPEATABLE = /^40/;

interface Deps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly resolver: Pick<NameResolver, 'lookUp'>;
}

/** Runs SQL: on any connection, or inside a transaction. */
export interface Queries {
  query<R extends QueryResultRow>(sql: string, values?: readonly unknown[]): Promise<R[]>;
}

/**
 * PostgreSQL, through a small pool. Every call ends within seconds: with its rows; with an `RpcError` UNAVAILABLE
 * (DATABASE_UNAVAILABLE) when PostgreSQL cannot be reached or does not answer; or with pg's own error for SQL that is wrong.
 */
export class Database implements Queries, AsyncDisposable {
  readonly #pool: Pool;
  readonly #clock: Clock;

  /** Connects lazily: with the first query. */
  constructor(url: string, deps: Deps) {
    this.#clock = deps.clock;
    const postgres = new PostgresUrl(url, deps);
    this.#pool = new Pool({
      Client: class extends Client {
        constructor(options?: ClientConfig) {
          super({ ...options, ...postgres.config() });
        }
      },
      application_name: 'penstock',
      max: 8,
      connectionTimeoutMillis: CONNECT_TIMEOUT,
      statement_timeout: STATEMENT_TIMEOUT,
      query_timeout: QUERY_TIMEOUT,
      idle_in_transaction_session_timeout: 10_000,
      idleTimeoutMillis: 30_000,
      maxLifetimeSeconds: 1800,
      keepAlive: true,
    });
    // Without these handlers a connection that breaks, idle or not, ends the process. The next query tells its caller.
    const onError = (error: Error) =>
      deps.logger.debug('a PostgreSQL connection broke', { why: messageOf(error) });
    this.#pool.on('error', onError);
    this.#pool.on('connect', (client) => client.on('error', onError));
  }

  async query<R extends QueryResultRow>(sql: string, values: readonly unknown[] = []): Promise<R[]> {
    return this.#connected((queries) => queries.query<R>(sql, values));
  }

  /** Commits when `work` resolves, rolls back when it rejects. After a deadlock `work` runs again: only SQL in it. */
  async transaction<T>(work: (queries: Queries) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#connected((queries) => inTransaction(queries, work));
      } catch (error) {
        if (attempt >= TRANSACTION_TRIES || !hasState(error, REPEATABLE)) throw error;
      }
    }
  }

  async #connected<T>(work: (queries: Queries) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect().catch((error) => {
      throw unavailable(error);
    });
    const session = new Session(client);
    try {
      return await work(session);
    } finally {
      client.release(session.broken);
    }
  }

  /** Why PostgreSQL cannot be used; undefined: it answers. */
  async trouble(): Promise<string | undefined> {
    try {
      await this.query('select');
      return undefined;
    } catch (error) {
      const cause = error instanceof RpcError && error.cause instanceof Error ? error.cause : error;
      return `PostgreSQL does not answer: ${postgresReason(cause).text}`;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await withDeadline(this.#clock, END_TIMEOUT, 'closing PostgreSQL', this.#pool.end()).catch(() => {});
  }
}

/** One connection while it is checked out. */
class Session implements Queries {
  readonly #client: PoolClient;
  /** After a time-out, a loss or a shutdown the connection answers nothing sensible any more and must not go back to the pool. */
  broken = false;

  constructor(client: PoolClient) {
    this.#client = client;
  }

  async query<R extends QueryResultRow>(sql: string, values: readonly unknown[] = []): Promise<R[]> {
    if (this.broken) throw unavailable(new Error('the connection is lost'));
    try {
      return (await this.#client.query<R>(sql, [...values])).rows;
    } catch (error) {
      this.broken = !(error instanceof DatabaseError) || error.severity === 'FATAL';
      throw this.broken || hasState(error, UNAVAILABLE) ? unavailable(error) : error;
    }
  }
}

async function inTransaction<T>(queries: Queries, work: (queries: Queries) => Promise<T>): Promise<T> {
  await queries.query('begin');
  try {
    const result = await work(queries);
    await queries.query('commit');
    return result;
  } catch (error) {
    // Where this fails too, the connection is broken and goes, and the server rolls back by itself.
    await queries.query('rollback').catch(() => {});
    throw error;
  }
}

/** Whether a query failed with an SQLSTATE like this. */
export function hasState(error: unknown, state: RegExp): boolean {
  const found = error instanceof RpcError ? error.cause : error;
  return found instanceof DatabaseError && state.test(found.code ?? '');
}

/** What callers are told when PostgreSQL does not answer. */
export function unavailable(cause: unknown): RpcError {
  const message = 'PostgreSQL cannot be reached or does not answer: try again';
  return failed(Code.UNAVAILABLE, 'DATABASE_UNAVAILABLE', message, { cause });
}
