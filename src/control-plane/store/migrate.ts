import { Client } from 'pg';
import type { Clock } from '../../runtime/clock.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import type { NameResolver } from '../../runtime/name-resolver.ts';
import { UserError } from '../../runtime/user-error.ts';
import { patiently } from '../patiently.ts';
import { hasState, type Queries } from './database.ts';
import { closeLockConnection } from './lock-connection.ts';
import { MIGRATIONS } from './migrations.ts';
import { postgresReason } from './postgres-reason.ts';
import { PostgresUrl } from './postgres-url.ts';

const CONNECT_TIMEOUT = 2000;
/** A migration may rewrite a large table, or wait for another node that does. */
const STEP_TIMEOUT = 600_000;
/** Any number, as long as all nodes lock the same. */
const MIGRATION_LOCK = 7_305_816_541_001;

const UNDEFINED_TABLE = /^42P01$/;

interface Deps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly resolver: Pick<NameResolver, 'lookUp'>;
}

/**
 * Waits until PostgreSQL answers, then brings its schema up to date. Nodes that start at once take turns.
 * @param patience how long to wait for PostgreSQL, in milliseconds
 * @param signal ends the waiting
 * @throws UserError when PostgreSQL does not answer in time or refuses
 */
export async function migrate(
  url: string,
  patience: number,
  deps: Deps,
  signal?: AbortSignal,
): Promise<void> {
  const client = await connect(url, patience, deps, signal);
  try {
    await client.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await client.query('create table if not exists schema_migrations (version int primary key)');
    const { rows } = await client.query<{ version: number }>(
      'select coalesce(max(version), 0) as version from schema_migrations',
    );
    const current = rows[0]!.version;
    for (const [index, sql] of MIGRATIONS.entries()) {
      const version = index + 1;
      if (version <= current) continue;
      await client.query(`begin; ${sql}; insert into schema_migrations values (${version}); commit`);
      deps.logger.info('migrated the PostgreSQL schema', { version });
    }
    if (current > MIGRATIONS.length) {
      deps.logger.warn('the PostgreSQL schema is of a newer version', { version: current });
    }
  } finally {
    await closeLockConnection(client, deps.clock); // gives the lock back
  }
}

/** @throws UserError when the schema is not that of this version */
export async function requireUpToDate(queries: Queries): Promise<void> {
  const version = await versionOf(queries);
  if (version > MIGRATIONS.length) {
    throw new UserError(
      'the database is of a newer version: use Penstock of the version of the control planes',
    );
  }
  if (version < MIGRATIONS.length) {
    throw new UserError('the database is of an older version: start a control plane of this version first');
  }
}

/** 0: there is none yet. */
async function versionOf(queries: Queries): Promise<number> {
  try {
    const [row] = await queries.query<{ version: number }>(
      'select coalesce(max(version), 0) as version from schema_migrations',
    );
    return row!.version;
  } catch (error) {
    if (hasState(error, UNDEFINED_TABLE)) return 0;
    throw error;
  }
}

async function connect(
  url: string,
  time: number,
  deps: Deps,
  signal: AbortSignal | undefined,
): Promise<Client> {
  const isHopeless = (error: unknown) => postgresReason(error).isHopeless;
  const postgres = new PostgresUrl(url, deps);
  let client: Client | undefined;
  try {
    return await patiently({ name: 'PostgreSQL', time, isHopeless, signal }, deps, async () => {
      client = newClient(postgres, deps);
      await client.connect();
      return client;
    });
  } catch (cause) {
    signal?.throwIfAborted();
    const where = `${client?.host}:${client?.port}/${client?.database}`;
    const text = `PostgreSQL at ${where} cannot be used: ${postgresReason(cause).text}. Start it, or set PENSTOCK_POSTGRES_URL.`;
    throw new UserError(text, { cause });
  }
}

function newClient(postgres: PostgresUrl, { logger }: Deps): Client {
  const client = new Client({
    ...postgres.config(),
    application_name: 'penstock-migrate',
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    statement_timeout: STEP_TIMEOUT,
    query_timeout: STEP_TIMEOUT,
    keepAlive: true,
  });
  client.on('error', (error) => logger.debug('a PostgreSQL connection broke', { why: messageOf(error) }));
  return client;
}
