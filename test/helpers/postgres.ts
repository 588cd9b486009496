import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import { Client } from 'pg';
import { startPostgres } from '../../src/dev/postgres-server.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { serverForTests } from './server-for-tests.ts';

const postgres = serverForTests((dataDir) =>
  startPostgres({ dataDir, progress: () => {}, clock: systemClock }),
);

/**
 * The URL of a fresh, empty database on a real PostgreSQL, dropped after the test: on the one that
 * `PENSTOCK_TEST_POSTGRES` (the URL of one who may create databases) names, or one of this process.
 */
export async function databaseForTests(t: TestContext): Promise<string> {
  const admin = process.env.PENSTOCK_TEST_POSTGRES || (await postgres()).url;
  return createDatabase(t, admin, '');
}

/** The URL of another database, with all that this one has now; nobody may be connected to it. Dropped after the test. */
export async function copyOfDatabase(t: TestContext, url: string): Promise<string> {
  const admin = process.env.PENSTOCK_TEST_POSTGRES || (await postgres()).url;
  return createDatabase(t, admin, `TEMPLATE ${new URL(url).pathname.slice(1)}`);
}

async function createDatabase(t: TestContext, admin: string, template: string): Promise<string> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await execute(admin, `CREATE DATABASE ${name} ${template}`);
  t.after(() => execute(admin, `DROP DATABASE ${name} WITH (FORCE)`));
  const url = new URL(admin);
  url.pathname = `/${name}`;
  return url.href;
}

async function execute(url: string, sql: string): Promise<void> {
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    query_timeout: 30_000,
  });
  client.on('error', () => {}); // A broken connection rejects its query too.
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
