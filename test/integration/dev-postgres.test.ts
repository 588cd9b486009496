import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Client } from 'pg';
import { freePorts } from '../../src/dev/free-port.ts';
import { type PostgresOptions, startPostgres } from '../../src/dev/postgres-server.ts';
import { processesIn } from '../../src/dev/process-table.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { kill9, killAfter, runApart } from '../helpers/run-apart.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { waitUntil } from '../helpers/wait-until.ts';
import { withPrograms } from '../helpers/with-programs.ts';

async function start(t: TestContext, dataDir: string, options: Partial<PostgresOptions> = {}) {
  const server = await startPostgres({ dataDir, clock: systemClock, progress: () => {}, ...options });
  t.after(() => server[Symbol.asyncDispose]());
  return server;
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5000, query_timeout: 5000 });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query({ text: sql, rowMode: 'array' })).rows.flat();
  } finally {
    await client.end();
  }
}

const rootOnly = process.getuid?.() === 0 ? {} : { skip: 'only root can become another user' };
const pidIn = async (dataDir: string) => Number(await readFile(join(dataDir, 'postgres.pid'), 'utf8'));
const processesOf = (dataDir: string) => processesIn(join(dataDir, 'postgres', 'data')) ?? [];

/** A process that has nothing to do with PostgreSQL. */
function bystander(t: TestContext) {
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  t.after(() => child.kill());
  return child;
}

test('the embedded PostgreSQL', async (t) => {
  const dataDir = await temporaryDirectory(t);

  await t.test('starts on loopback with a database, and stops without a trace', async (t) => {
    const server = await start(t, dataDir);
    assert.match(server.url, /^postgres:\/\/penstock:[\w-]{32}@127\.0\.0\.1:\d+\/penstock$/);
    await query(server.url, 'CREATE TABLE kept (id int)');
    await query(server.url, 'INSERT INTO kept VALUES (1)');
    assert.deepEqual(await query(server.url, 'SHOW listen_addresses'), ['127.0.0.1']);
    assert.deepEqual(await query(server.url, 'SHOW server_encoding'), ['UTF8']);
    await server[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    assert.deepEqual(processesOf(dataDir), []);
    await assert.rejects(access(join(dataDir, 'postgres.pid')));
  });

  await t.test('lets nobody in without the password, which only its user can read', async (t) => {
    const server = await start(t, dataDir);
    await assert.rejects(query(server.url.replace(/:[\w-]{32}@/, ':wrong@'), 'SELECT 1'), /password/);
    assert.equal((await stat(join(dataDir, 'postgres', 'password'))).mode & 0o777, 0o600);
  });

  await t.test('keeps its data when all its processes are killed', async (t) => {
    const server = await start(t, dataDir);
    await query(server.url, 'INSERT INTO kept VALUES (2)');
    for (const pid of processesOf(dataDir)) process.kill(pid, 'SIGKILL');
    const failure = await server.failed;
    assert.match(failure.message, /^PostgreSQL ended \(SIGKILL\): see .*postgres\.log$/);
    const again = await start(t, dataDir);
    assert.deepEqual(await query(again.url, 'SELECT id FROM kept ORDER BY id'), [1, 2]);
  });

  await t.test('that a killed run left behind is stopped by the next', async (t) => {
    const { child, firstLine: url } = await runApart(
      t,
      `const { startPostgres } = await import(root + 'src/dev/postgres-server.ts');
       const { systemClock } = await import(root + 'src/runtime/clock.ts');
       const server = await startPostgres({ dataDir: ${JSON.stringify(dataDir)}, clock: systemClock, progress() {} });
       console.log(server.url);
       process.stdin.resume();`,
    );
    killAfter(t, await pidIn(dataDir), join(dataDir, 'postgres', 'data'));
    await kill9(child);
    await query(url, 'INSERT INTO kept VALUES (3)');
    const orphan = await pidIn(dataDir);
    const server = await start(t, dataDir);
    assert(!processesOf(dataDir).includes(orphan));
    assert.deepEqual(await query(server.url, 'SELECT max(id) FROM kept'), [3]);
  });

  await t.test('leaves alone a process that got the pid of an earlier run', async (t) => {
    const other = bystander(t);
    await writeFile(join(dataDir, 'postgres.pid'), String(other.pid));
    await start(t, dataDir);
    assert.equal(other.exitCode ?? other.signalCode, null);
  });

  await t.test('starts when postmaster.pid names a process that is not it', async (t) => {
    const server = await start(t, dataDir);
    const lock = join(dataDir, 'postgres', 'data', 'postmaster.pid');
    const content = await readFile(lock, 'utf8');
    for (const pid of processesOf(dataDir)) process.kill(pid, 'SIGKILL');
    await server.failed;
    await waitUntil('its processes end', () => processesOf(dataDir).length === 0);
    await writeFile(lock, content.replace(/^\d+/, String(bystander(t).pid)));
    await start(t, dataDir);
  });

  await t.test('takes another port when one was taken in between', async (t) => {
    const rival = createServer().listen(0, '127.0.0.1');
    t.after(() => rival.close());
    await once(rival, 'listening');
    const { port } = rival.address() as { port: number };
    const ports = [[port], await freePorts(1)];
    const server = await start(t, dataDir, { findPorts: async () => ports.shift() ?? [] });
    assert.deepEqual(ports, []);
    assert(!server.url.includes(`:${port}/`));
  });

  await t.test('is stopped when its start is given up', async (t) => {
    const giveUp = new AbortController();
    const progress = () => giveUp.abort(new Error('given up'));
    await assert.rejects(start(t, dataDir, { progress, signal: giveUp.signal }), /given up/);
    assert.deepEqual(processesOf(dataDir), []);
  });

  await t.test('that cannot start says where to look, and shows the end of its log', async (t) => {
    const configuration = join(dataDir, 'postgres', 'data', 'postgresql.conf');
    const good = await readFile(configuration);
    t.after(() => writeFile(configuration, good));
    await writeFile(configuration, 'nonsense = on\n');
    await assert.rejects(start(t, dataDir), (error: Error) => {
      assert.match(error.message, /^PostgreSQL ended \(exit code 1\): see .*postgres\.log$/);
      assert.match(String(error.cause), /unrecognized configuration parameter "nonsense"/);
      return true;
    });
  });

  await t.test('runs as nobody where user namespaces are not allowed', rootOnly, async (t) => {
    await withPrograms(t, { unshare: 'exit 1' });
    const server = await start(t, dataDir);
    assert.deepEqual(await query(server.url, 'SELECT max(id) FROM kept'), [3]);
    assert.equal((await stat(`/proc/${await pidIn(dataDir)}`)).uid, 65534);
    await server[Symbol.asyncDispose]();
    await start(t, dataDir);
  });

  await t.test('runs as nobody below a directory that only root can enter', rootOnly, async (t) => {
    const closed = await temporaryDirectory(t);
    await chmod(closed, 0o700);
    await withPrograms(t, { unshare: 'exit 1' });
    const server = await start(t, join(closed, 'data'));
    assert.deepEqual(await query(server.url, 'SELECT 1'), [1]);
  });

  await t.test('says so when root cannot be another user', rootOnly, async (t) => {
    await withPrograms(t, { unshare: 'exit 1', setpriv: 'echo not permitted; exit 1' });
    await assert.rejects(start(t, dataDir), (error: Error) => {
      assert.match(error.message, /does not run as root.*run as another user, or set PENSTOCK_POSTGRES_URL/);
      assert.match(String(error.cause), /not permitted/);
      return true;
    });
  });
});
