import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { timestampFromDate, timestampMs } from '@bufbuild/protobuf/wkt';
import { EventKind } from '../../gen/penstock/v1/event_service_pb.ts';
import { foldReports } from '../../src/control-plane/status/fold.ts';
import type { Database } from '../../src/control-plane/store/database.ts';
import { listEvents } from '../../src/control-plane/store/events.ts';
import { insertEvents } from '../../src/control-plane/store/reports.ts';
import { deleteOutsideParts, keepParts } from '../../src/control-plane/store/time-partitions.ts';
import { type EventPlace, eventsSince, settledVersion } from '../../src/control-plane/store/versions.ts';
import {
  assertPartsFit,
  DAY,
  databaseAt,
  eventOf,
  HOUR,
  keptParts,
  migrated,
  OLD_INSERT,
  oldValues,
  placesOf,
} from '../helpers/event-parts.ts';
import { connectedClient } from '../helpers/postgres-client.ts';
import { encodedReport, report } from '../helpers/reports.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const WEEK = 7 * DAY;
const ALL = { limit: 1000 };

const insert = (db: Database, events: Parameters<typeof insertEvents>[1]) =>
  db.transaction((queries) => insertEvents(queries, events));
const idsOf = (events: readonly { readonly id: string }[]) => events.map(({ id }) => id);

test('an event is in the part of its time, and listed whichever it is in', async (t) => {
  const { db } = await migrated(t);
  const { made, dropped } = await keptParts(db, WEEK);
  assert.ok(made.length >= 9, 'a week of days, and some to come');
  assert.deepEqual(dropped, []);
  assert.deepEqual(await assertPartsFit(db), made);
  assert.deepEqual(await keptParts(db, WEEK), { made: [], dropped: [] });

  const integrationId = randomUUID();
  const events = Array.from({ length: 40 }, (_, n) =>
    eventOf(n * 4 * HOUR, { integrationId, kind: ((n % 4) + 1) as EventKind }),
  );
  await insert(db, events);
  const places = await placesOf(db);
  assert.ok(new Set(places.values()).size >= 7);
  assert.ok(![...places.values()].includes('events'), 'there is a part for each');
  assert.deepEqual(idsOf(await listEvents(db, {}, ALL)), idsOf(events), 'a kind of a newer version, too');
  assert.deepEqual(idsOf(await listEvents(db, { integrationId }, ALL)), idsOf(events));
  const kinds: EventKind[] = [EventKind.STATISTICS, EventKind.ERROR];
  const ofKinds = events.filter(({ kind }) => kinds.includes(kind));
  assert.deepEqual(idsOf(await listEvents(db, { kinds }, ALL)), idsOf(ofKinds));
  const [start, end] = [events[30]!.time, events[10]!.time];
  assert.deepEqual(idsOf(await listEvents(db, { start, end }, ALL)), idsOf(events.slice(11, 31)));
  const first = await listEvents(db, {}, { limit: 15 });
  const after = { time: events[14]!.time, id: first.at(-1)!.id };
  assert.deepEqual(idsOf(await listEvents(db, {}, { limit: 15, after })), idsOf(events.slice(15, 30)));
});

test('events of odd times, and those that come before their part, are kept each once and go in their time', async (t) => {
  const { db } = await migrated(t);
  const early = [eventOf(HOUR), eventOf(50 * HOUR)];
  await insert(db, early);
  await keptParts(db, WEEK);
  await insert(db, early);
  await db.query(OLD_INSERT, oldValues(early));
  const odd = [Date.now() + 400 * DAY, Date.now() - 8 * DAY, 0].map((ms) =>
    eventOf(0, { time: new Date(ms) }),
  );
  await insert(db, odd);
  await insert(db, odd);
  await db.query(OLD_INSERT, oldValues(odd));
  assert.deepEqual(
    new Set((await placesOf(db)).keys()),
    new Set(idsOf([...early, ...odd])),
    'nothing is refused, nothing is there twice',
  );
  assert.deepEqual(idsOf(await listEvents(db, {}, ALL)), idsOf([odd[0]!, ...early, odd[1]!, odd[2]!]));
  while ((await deleteOutsideParts(db, 'events', WEEK, 1)) > 0);
  assert.deepEqual(idsOf(await listEvents(db, {}, ALL)), idsOf([odd[0]!, ...early]));
});

test('an event of a node whose clock is ahead is stored once, whenever and by whomever it is read', async (t) => {
  const { db } = await migrated(t);
  await keptParts(db, WEEK);
  const time = timestampFromDate(new Date(Date.now() + 30 * DAY));
  const record = report(randomUUID(), { time });
  const readAt = (now: number) =>
    foldReports([{ record, offset: 0, bytes: encodedReport(record) }], now).events;
  const ages = [2 * DAY, DAY, 0, -DAY];
  const insertAt = (age: number) => insert(db, readAt(Date.now() - age));
  // Two nodes at the same moment, neither of which sees what the other has written.
  const [written, mayEnd] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const first = db.transaction(async (queries) => {
    await insertEvents(queries, readAt(Date.now() - 3 * DAY));
    written.resolve();
    await mayEnd.promise;
  });
  await written.promise;
  let isDone = false;
  const second = insertAt(0).then(() => {
    isDone = true;
  });
  const waiting = `select from pg_locks where locktype = 'advisory' and not granted
    and database = (select oid from pg_database where datname = current_database())`;
  await waitUntil('the other waits', async () => isDone || (await db.query(waiting)).length > 0);
  mayEnd.resolve();
  await Promise.all([first, second]);
  await Promise.all(ages.map(insertAt));
  assert.equal((await placesOf(db)).size, 1);
  assert.ok(timestampMs((await listEvents(db, {}, ALL))[0]!.time!) < timestampMs(time));
});

test('a part in which all is too old is dropped as a whole, and nothing is deleted row by row', async (t) => {
  const { url, db } = await migrated(t);
  const { made } = await keptParts(db, WEEK);
  const events = Array.from({ length: 100 }, (_, n) => eventOf(n * 1.6 * HOUR));
  await insert(db, events);
  await using client = await connectedClient(url);
  await client.query(`create function refuse() returns trigger language plpgsql as
    $$ begin raise 'a row was deleted'; end $$`);
  for (const table of ['events', ...made]) {
    await client.query(
      `create trigger refused before delete on ${table} for each row execute function refuse()`,
    );
  }
  const { dropped } = await keptParts(db, DAY);
  assert.equal(await deleteOutsideParts(db, 'events', DAY, 1000), 0);
  assert.ok(dropped.length >= 5);
  assert.deepEqual(
    (await assertPartsFit(db)).filter((name) => made.includes(name)),
    made.slice(dropped.length),
  );
  const left = idsOf(await listEvents(db, {}, ALL));
  assert.deepEqual(left, idsOf(events.slice(0, left.length)), 'the newest stay');
  const kept = events.filter(({ time }) => time.getTime() > Date.now() - DAY);
  assert.ok(left.length >= kept.length, 'all that are not too old');
  assert.ok(left.length <= kept.length + DAY / (1.6 * HOUR), 'and at most those of a part beside them');
  await insert(db, [eventOf(6 * DAY)]); // its part is gone
  assert.equal((await placesOf(db)).size, left.length + 1);
});

test('a part that somebody reads is dropped later, and keeps nobody waiting meanwhile', async (t) => {
  const { url, db } = await migrated(t);
  await keptParts(db, WEEK);
  await using reader = await connectedClient(url);
  await reader.query('begin; select count(*) from events');
  const { dropped, busy } = await keepParts(db, 'events', DAY);
  assert.deepEqual(dropped, []);
  assert.ok(busy);
  await insert(db, [eventOf()]);
  await reader.query('commit');
  assert.ok((await keptParts(db, DAY)).dropped.length >= 5);
});

test('nodes that keep the parts and write at once make each part once, and store each event once', async (t) => {
  const { url, db } = await migrated(t);
  const nodes = [db, databaseAt(t, url), databaseAt(t, url)];
  const written: string[] = [];
  let isOver = false;
  const writer = async (node: Database) => {
    while (!isOver) {
      const events = Array.from({ length: 20 }, () => eventOf(Math.random() * 9 * HOUR - HOUR));
      await Promise.all([insert(node, events), db.query(OLD_INSERT, oldValues(events))]);
      written.push(...idsOf(events));
    }
  };
  const writing = Promise.all(nodes.map(writer)).finally(() => {
    isOver = true;
  });
  // Ever other parts: of longer and shorter spans, none of which is too old for what is written.
  for (const ttl of [10 * HOUR, WEEK, 20 * HOUR, 30 * DAY]) {
    const done = await Promise.all(nodes.map((node) => keptParts(node, ttl)));
    const made = done.flatMap((one) => one.made);
    assert.equal(new Set(made).size, made.length);
    await assertPartsFit(db);
    await sleep(100);
  }
  isOver = true;
  await writing;
  assert.deepEqual([...(await placesOf(db)).keys()].toSorted(), written.toSorted());
});

test('what is cut off while parts are made and dropped is done by the next who tries', {
  timeout: 120_000,
}, async (t) => {
  const { url, db } = await migrated(t);
  const events = Array.from({ length: 30 }, (_, n) => eventOf(n * HOUR));
  await insert(db, events);
  await using killer = await connectedClient(url);
  let cuts = 0;
  for (let n = 0; n < 30; n++) {
    const keeping = keptParts(databaseAt(t, url), n % 2 === 0 ? WEEK : 2 * DAY).catch(() => {
      cuts++;
    });
    await sleep(5 + n);
    await killer.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where application_name = 'penstock' and datname = current_database()`,
    );
    await keeping;
    await assertPartsFit(databaseAt(t, url));
  }
  assert.ok(cuts > 0, 'some were cut off');
  await keptParts(databaseAt(t, url), 2 * DAY);
  const after = databaseAt(t, url);
  await assertPartsFit(after);
  assert.deepEqual(idsOf(await listEvents(after, {}, ALL)), idsOf(events));
});

test('a watch goes on while parts come and go', async (t) => {
  const { db } = await migrated(t);
  let place: EventPlace = { version: await settledVersion(db), event: undefined };
  const seen: string[] = [];
  const read = async () => {
    const version = await settledVersion(db);
    for (let isMore = true; isMore; ) {
      const { events, next } = await eventsSince(db, {}, place, version, 3);
      seen.push(...idsOf(events));
      place = next;
      isMore = events.length === 3;
    }
  };
  const written: string[] = [];
  for (const ttl of [undefined, WEEK, 2 * DAY, 6 * HOUR]) {
    if (ttl) await keptParts(db, ttl);
    const events = Array.from({ length: 7 }, (_, n) => eventOf(n * 5 * HOUR));
    await insert(db, events);
    written.push(...idsOf(events));
    if (ttl !== WEEK) await read(); // later: from several parts at once
  }
  assert.deepEqual(seen.toSorted(), written.toSorted());
});
