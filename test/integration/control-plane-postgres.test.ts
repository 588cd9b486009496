import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { Database } from '../../src/control-plane/store/database.ts';
import { Leadership } from '../../src/control-plane/store/leadership.ts';
import { Locks } from '../../src/control-plane/store/locks.ts';
import { migrate } from '../../src/control-plane/store/migrate.ts';
import { MIGRATIONS } from '../../src/control-plane/store/migrations.ts';
import type { RpcError } from '../../src/rpc/error.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { controlPlaneForTests, downlinkForTests, executorForTests, HTTP } from '../helpers/control-plane.ts';
import { type Faults, faultProxy } from '../helpers/fault-proxy.ts';
import { databaseForTests } from '../helpers/postgres.ts';
import { connectedClient } from '../helpers/postgres-client.ts';
import { encodedReport, report } from '../helpers/reports.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { collect } from '../helpers/stream.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const SILENT: Faults = { upstream: { timeout: true }, downstream: { timeout: true } };

/** A fresh database behind a proxy. */
async function proxied(t: TestContext) {
  const url = new URL(await databaseForTests(t));
  const proxy = await faultProxy(t, url.hostname, Number(url.port));
  url.host = `127.0.0.1:${proxy.port}`;
  return { proxy, postgresUrl: url.href };
}

test('nodes that start at once migrate once', async (t) => {
  const url = await databaseForTests(t);
  await Promise.all([1, 2, 3].map(() => migrate(url, 10_000, testDeps())));
  await using db = new Database(url, testDeps());
  const versions = await db.query<{ version: number }>(
    'select version from schema_migrations order by version',
  );
  assert.deepEqual(
    versions.map(({ version }) => version),
    MIGRATIONS.map((_, index) => index + 1),
  );
});

test('a start waits for PostgreSQL, and gives up with what to do', async (t) => {
  const { proxy, postgresUrl } = await proxied(t);
  await proxy.set({ down: true });
  const given = migrate(postgresUrl, 60_000, testDeps());
  setTimeout(() => proxy.set({}), 700);
  await given;
  await proxy.set({ down: true });
  await assert.rejects(migrate(postgresUrl, 1, testDeps()), /Start it, or set PENSTOCK_POSTGRES_URL/);
  await proxy.set({});
  const wrong = new URL(postgresUrl);
  wrong.pathname = '/no_such_database';
  await assert.rejects(migrate(wrong.href, 60_000, testDeps()), /no_such_database.*PENSTOCK_POSTGRES_URL/);
});

test('a PostgreSQL that stops after the migration holds up no start', { timeout: 30_000 }, async (t) => {
  const { proxy, postgresUrl } = await proxied(t);
  let silenced: Promise<unknown> | undefined;
  const logger = createLogger('info', systemClock, (line) => {
    if (line.includes(`"version":${MIGRATIONS.length}`)) silenced = proxy.set(SILENT);
  });
  await migrate(postgresUrl, 10_000, { ...testDeps(), logger });
  assert.ok(silenced, 'PostgreSQL stopped');
  await silenced;
  await proxy.set({});
});

test('a transaction is repeated after a deadlock', async (t) => {
  const url = await databaseForTests(t);
  await using db = new Database(url, testDeps());
  await db.query('create table pairs (id int primary key, n int)');
  await db.query('insert into pairs values (1, 0), (2, 0)');
  const meet = Promise.withResolvers<void>();
  let arrived = 0;
  const update = (first: number, second: number) =>
    db.transaction(async (queries) => {
      await queries.query('update pairs set n = n + 1 where id = $1', [first]);
      if (++arrived === 2) meet.resolve();
      await meet.promise;
      await queries.query('update pairs set n = n + 1 where id = $1', [second]);
    });
  await Promise.all([update(1, 2), update(2, 1)]);
  assert.deepEqual(await db.query('select n from pairs'), [{ n: 2 }, { n: 2 }]);
  assert.equal(arrived, 3);
});

async function read(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

test('PostgreSQL away or silent: UNAVAILABLE soon, and everything goes on afterwards', async (t) => {
  const { proxy, postgresUrl } = await proxied(t);
  const system = await controlPlaneForTests(t, { postgresUrl });
  await executorForTests(t, system);
  const { client, events, cluster, bus, topics } = system;
  const { integration } = await client.createIntegration({ integration: HTTP });
  const id = integration!.id;
  const downlink = await downlinkForTests(t, system);

  for (const [fault, faults] of Object.entries({ down: { down: true }, silent: SILENT })) {
    const watches = [
      collect(t, (options) => client.watchIntegrations({}, options)),
      collect(t, (options) => events.watchEvents({}, options)),
    ];
    await waitUntil('it is watched', () => watches[0]!.got.length > 0);
    await proxy.set(faults);
    const begin = performance.now();
    const soon = { deadline: 4000 }; // 3 s, and what a busy machine adds
    const change = { integration: { id, name: 'other' }, updateMask: { paths: ['name'] } };
    const calls = {
      get: () => client.getIntegration({ id }, soon),
      list: () => client.listIntegrations({}, soon),
      create: () => client.createIntegration({ integration: HTTP }, soon),
      update: () => client.updateIntegration(change, soon),
      enable: () => client.enableIntegration({ id }, soon),
      disable: () => client.disableIntegration({ id }, soon),
      restart: () => client.restartIntegration({ id }, soon),
      delete: () => client.deleteIntegration({ id }, soon),
      check: () => client.checkConnection({ target: { case: 'id', value: id } }, soon),
      watch: () => read(client.watchIntegrations({}, soon)),
      events: () => events.listEvents({}, soon),
      watchEvents: () => read(events.watchEvents({}, soon)),
      nodes: () => cluster.listNodes({}, soon),
    };
    const answers = Object.entries(calls).map(async ([name, call]) => {
      const { code, reason } = await rpcRejection(call);
      t.diagnostic(`${fault}: ${name} answered after ${Math.round(performance.now() - begin)} ms`);
      return [name, code, reason];
    });
    assert.deepEqual(
      await Promise.all(answers),
      Object.keys(calls).map((name) => [name, Code.UNAVAILABLE, 'DATABASE_UNAVAILABLE']),
    );
    for (const { ended } of watches) assert.equal(((await ended) as RpcError).code, Code.UNAVAILABLE);
    const late = report(id, { eventId: randomUUID() });
    await bus.send(topics.uplink.name, { key: id, value: encodedReport(late) });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await proxy.set({});

    const healed = performance.now();
    await waitUntil('the API is back', () =>
      client.getIntegration({ id }).then(
        () => true,
        () => false,
      ),
    );
    await waitUntil('the report is stored', async () => {
      const found = await events.listEvents({ filter: { integrationId: id } });
      return found.events.some((event) => event.id === late.eventId);
    });
    const before = downlink.generations(id).length;
    const { integration: now } = await client.getIntegration({ id });
    await (now?.enabled ? client.disableIntegration({ id }) : client.enableIntegration({ id }));
    await waitUntil('the change is published', () => downlink.generations(id).length > before);
    t.diagnostic(`${fault}: everything works ${Math.round(performance.now() - healed)} ms after the fault`);
  }
});

test('a connection that the server ends does not end the process', async (t) => {
  const url = await databaseForTests(t);
  await using db = new Database(url, testDeps());
  await db.query('select 1');
  await using admin = await connectedClient(url);
  await admin.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'penstock'",
  );
  await waitUntil('a new connection', () =>
    db.query('select 1').then(
      () => true,
      () => false,
    ),
  );
});

test('what the relay has read before its machine was suspended is not published any more', async (t) => {
  let suspended = 0;
  const clock = { ...systemClock, lease: () => systemClock.lease() + suspended };
  await using leadership = new Leadership(await databaseForTests(t), { ...testDeps(), clock });
  const read = () =>
    leadership.run(async (queries) => {
      const rows = await queries.query<{ one: number }>('select 1 as one');
      suspended += 20_000;
      return rows;
    });
  await assert.rejects(read, /the answer came too late/);
  assert.equal(leadership.term, 1);
  assert.deepEqual(await leadership.run((queries) => queries.query('select 1 as one')), [{ one: 1 }]);
  assert.equal(leadership.term, 2, 'it has asked for the lock again');
});

test('a lock whose connection is gone without a word is found lost before anything is done with it', async (t) => {
  const { proxy, postgresUrl } = await proxied(t);
  await using locks = new Locks(postgresUrl, testDeps());
  const lock = await locks.tryLock('a topic');
  await lock!.prove();
  await proxy.set(SILENT);
  assert.equal(lock!.signal.aborted, false);
  await assert.rejects(lock!.prove());
  assert.equal(lock!.signal.aborted, true);
  await proxy.set({});
});

test('questions about locks that come at once are asked one after the other', async (t) => {
  const warned: string[] = [];
  const onWarning = ({ message }: Error) => void warned.push(message);
  process.on('warning', onWarning);
  t.after(() => process.off('warning', onWarning));
  await using locks = new Locks(await databaseForTests(t), testDeps());
  const names = Array.from({ length: 20 }, (_, n) => `lock ${n}`);
  const held = await Promise.all(names.map((name) => locks.tryLock(name)));
  await Promise.all(held.map((lock) => lock!.prove()));
  await Promise.all(held.map((lock) => lock![Symbol.asyncDispose]()));
  await setImmediate();
  assert.deepEqual(warned, []);
});
