import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import { EventKind } from '../../gen/penstock/v1/event_service_pb.ts';
import type { EventRow } from '../../src/control-plane/status/fold.ts';
import { Database, hasState } from '../../src/control-plane/store/database.ts';
import { migrate } from '../../src/control-plane/store/migrate.ts';
import { keepParts, type Upkeep } from '../../src/control-plane/store/time-partitions.ts';
import { databaseForTests } from './postgres.ts';
import { encodedReport, report } from './reports.ts';
import { testDeps } from './test-deps.ts';

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

/** A database with the schema, and the control plane's way to it. */
export async function migrated(t: TestContext) {
  const url = await databaseForTests(t);
  await migrate(url, 10_000, testDeps());
  return { url, db: databaseAt(t, url) };
}

export function databaseAt(t: TestContext, url: string): Database {
  const db = new Database(url, testDeps());
  t.after(() => db[Symbol.asyncDispose]());
  return db;
}

/** An event of so many milliseconds ago. */
export function eventOf(age = 0, init: Partial<EventRow> = {}): EventRow {
  const integrationId = randomUUID();
  return {
    id: randomUUID(),
    integrationId,
    kind: EventKind.LIFECYCLE,
    time: new Date(Date.now() - age),
    record: encodedReport(report(integrationId)),
    ...init,
  };
}

/** How nodes stored events before there were parts. */
export const OLD_INSERT = `insert into events (id, integration_id, kind, time, record)
  select * from unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::timestamptz[], $5::bytea[])
  on conflict (id) do nothing`;

export const oldValues = (events: readonly EventRow[]) => [
  events.map(({ id }) => id),
  events.map(({ integrationId }) => integrationId),
  events.map(({ kind }) => kind),
  events.map(({ time }) => time),
  events.map(({ record }) => Buffer.from(record)),
];

/** As a node does it: over and over, however often it finds the table in use. */
export async function keptParts(db: Database, ttl: number): Promise<Upkeep> {
  for (;;) {
    try {
      return await keepParts(db, 'events', ttl);
    } catch (error) {
      if (!hasState(error, /^55P03/)) throw error;
    }
  }
}

/** Holds that the parts are those that are noted, and that none overlaps another. */
export async function assertPartsFit(db: Database): Promise<string[]> {
  const noted = await db.query<{ name: string }>('select name from time_partitions order by start_time');
  const there = await db.query<{ name: string }>(
    `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'events'::regclass`,
  );
  const names = noted.map(({ name }) => name);
  assert.deepEqual(there.map(({ name }) => name).toSorted(), names.toSorted());
  const overlaps = await db.query(
    `select a.name, b.name from time_partitions a join time_partitions b
     on a.name <> b.name and a.start_time < b.end_time and b.start_time < a.end_time`,
  );
  assert.deepEqual(overlaps, []);
  return names;
}

/** In which table each event is, by its id. */
export async function placesOf(db: Database): Promise<Map<string, string>> {
  const rows = await db.query<{ id: string; place: string }>(
    'select id, tableoid::regclass::text as place from events',
  );
  assert.equal(new Set(rows.map(({ id }) => id)).size, rows.length, 'each event is stored once');
  return new Map(rows.map(({ id, place }) => [id, place]));
}
