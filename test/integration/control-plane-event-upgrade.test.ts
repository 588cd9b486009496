import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { listEvents } from '../../src/control-plane/store/events.ts';
import { migrate } from '../../src/control-plane/store/migrate.ts';
import { MIGRATIONS } from '../../src/control-plane/store/migrations.ts';
import { TIME_PARTITIONS } from '../../src/control-plane/store/time-partitions.ts';
import {
  assertPartsFit,
  DAY,
  databaseAt,
  eventOf,
  HOUR,
  keptParts,
  OLD_INSERT,
  oldValues,
  placesOf,
} from '../helpers/event-parts.ts';
import { databaseForTests } from '../helpers/postgres.ts';
import { connectedClient } from '../helpers/postgres-client.ts';
import { testDeps } from '../helpers/test-deps.ts';

const WEEK = 7 * DAY;
/** How nodes listed and deleted events before there were parts. */
const OLD_LIST = 'select id from events where time < now() order by time desc, id desc limit 1000';
const OLD_DELETE = `delete from events where id in
  (select id from events where time < now() - $1 * interval '1 millisecond' order by time limit 1000) returning id`;

test('an upgrade keeps all events where they are, each once, while older nodes write, list and delete', async (t) => {
  const url = await databaseForTests(t);
  await using old = await connectedClient(url);
  await old.query('create table schema_migrations (version int primary key)');
  for (const [index, sql] of MIGRATIONS.slice(0, MIGRATIONS.indexOf(TIME_PARTITIONS)).entries()) {
    await old.query(`begin; ${sql}; insert into schema_migrations values (${index + 1}); commit`);
  }
  const before = Array.from({ length: 50 }, (_, n) => eventOf(n * 3 * HOUR));
  await old.query(OLD_INSERT, oldValues(before));

  const meanwhile: ReturnType<typeof eventOf>[] = [];
  let isOver = false;
  const writing = (async () => {
    while (!isOver) {
      const events = [eventOf(), eventOf(5 * DAY)];
      for (let times = 0; times < 2; times++) await old.query(OLD_INSERT, oldValues(events));
      meanwhile.push(...events);
    }
  })();
  await migrate(url, 10_000, testDeps());
  const db = databaseAt(t, url);
  await keptParts(db, WEEK);
  assert.equal((await assertPartsFit(db))[0], 'events_before');
  isOver = true;
  await writing;

  const all = [...before, ...meanwhile];
  const after = [eventOf(), eventOf(0, { time: new Date(Date.now() + 2 * DAY) })];
  for (const events of [all, after, after]) await old.query(OLD_INSERT, oldValues(events));
  const places = await placesOf(db);
  assert.deepEqual([...places.keys()].toSorted(), [...all, ...after].map(({ id }) => id).toSorted());
  assert.ok(before.every(({ id }) => places.get(id) === 'events_before'));

  const newestFirst = [...all, after[0]!].toSorted(
    (a, b) => b.time.getTime() - a.time.getTime() || (a.id < b.id ? 1 : -1),
  );
  const ids = newestFirst.map(({ id }) => id);
  const { rows } = await old.query<{ id: string }>(OLD_LIST);
  assert.deepEqual(
    rows.map(({ id }) => id),
    ids,
  );
  const listed = await listEvents(db, { end: new Date() }, { limit: 1000 });
  assert.deepEqual(
    listed.map(({ id }) => id),
    ids,
  );
  const gone = (await old.query<{ id: string }>(OLD_DELETE, [6 * DAY])).rows.map(({ id }) => id);
  assert.deepEqual(new Set(gone), new Set(before.slice(48).map(({ id }) => id)));

  await db.query(
    `update time_partitions set end_time = now() - interval '8 days' where name = 'events_before'`,
  );
  assert.ok((await keptParts(db, WEEK)).dropped.includes('events_before'), 'in its time it goes as a whole');
  const { dropped } = await keptParts(db, WEEK);
  assert.deepEqual(dropped, []);
  assert.ok(
    (await listEvents(db, {}, { limit: 1000 })).every(({ id }) => places.get(id) !== 'events_before'),
  );
});

test('an upgrade of a database without events leaves no part for them', async (t) => {
  const url = await databaseForTests(t);
  await migrate(url, 10_000, testDeps());
  await using client = await connectedClient(url);
  const { rows } = await client.query(`select 1 from pg_class where relname = 'events_before'`);
  assert.deepEqual(rows, []);
  await client.query(OLD_INSERT, oldValues([eventOf(0, { id: randomUUID() })]));
});
