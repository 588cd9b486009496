import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { sumOfScope } from '../../src/control-plane/figures/sum-of-scope.ts';
import { startFiguresUpkeep } from '../../src/control-plane/figures/upkeep.ts';
import { ALL } from '../../src/control-plane/status/additions.ts';
import type { Database } from '../../src/control-plane/store/database.ts';
import { deleteOldBuckets, foldBuckets } from '../../src/control-plane/store/statistics-buckets.ts';
import { historyOf, sumOf } from '../../src/control-plane/store/statistics-history.ts';
import { DAY, databaseAt, HOUR, migrated } from '../helpers/event-parts.ts';
import { connectedClient } from '../helpers/postgres-client.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const COUNTERS = [3, 2, 0, 0, 1, 0, 0, 0, 5];

/** Rows of a minute each, of two integrations, from so long ago on: each counts the same, and has its number as the lag. */
async function storeMinutes(
  db: Database,
  age: number,
  minutes: number,
  ids: readonly string[],
): Promise<void> {
  await db.query(
    `insert into statistics_buckets (integration_id, bucket, resolution, counters, lag, oldest_age_ms, gauge_time)
     select id, time, 60, $1, n, n, time from unnest($2::uuid[]) as id, generate_series(0, $3 - 1) as n,
       lateral (select date_trunc('hour', now()) - $4 * interval '1 millisecond' + n * interval '1 minute' as time) as at`,
    [COUNTERS, ids, minutes, age],
  );
}

const sums = async (db: Database) =>
  await db.query(
    'select integration_id, sum_counters(counters)::text as counters from statistics_buckets group by integration_id order by 1',
  );
const resolutions = async (db: Database) => {
  const rows = await db.query<{ resolution: number; count: number }>(
    'select resolution, count(*)::int as count from statistics_buckets group by resolution order by resolution',
  );
  return rows.map(({ resolution, count }) => [resolution, count]);
};
const fold = (db: Database, limit: number) => db.transaction((queries) => foldBuckets(queries, limit));

async function folded(db: Database, limit: number): Promise<number> {
  let all = 0;
  for (;;) {
    const some = await fold(db, limit);
    if (some === 0) return all;
    all += some;
  }
}

/** 90 minutes of two integrations, of 9 days, of 10 hours and of an hour ago. */
async function filled(t: TestContext) {
  const made = await migrated(t);
  const ids = [ALL, randomUUID()];
  for (const age of [9 * DAY, 10 * HOUR, HOUR]) await storeMinutes(made.db, age, 90, ids);
  return { ...made, ids, before: await sums(made.db) };
}

test('what gets old is folded into longer times, and its sums stay the same', async (t) => {
  const { db, ids, before } = await filled(t);
  // In batches that fit into no bucket.
  assert.ok((await folded(db, 7)) >= 2 * (90 + 90 + 9));
  assert.deepEqual(await sums(db), before);
  assert.deepEqual(await resolutions(db), [
    [60, 180],
    [600, 18],
    [3600, 4],
  ]);
  assert.equal(await folded(db, 5000), 0);
  // Of what does not add up the last counts.
  const rows = await db.query<{ lag: string }>(
    'select lag from statistics_buckets where resolution > 60 and integration_id = $1 order by bucket',
    [ids[1]],
  );
  assert.deepEqual(
    rows.map(({ lag }) => Number(lag)),
    [59, 89, ...[9, 19, 29, 39, 49, 59, 69, 79, 89]],
  );

  // Reports that come late, of a node whose clock was wrong.
  await storeMinutes(db, 9 * DAY, 90, ids);
  await folded(db, 5000);
  assert.deepEqual(await resolutions(db), [
    [60, 180],
    [600, 18],
    [3600, 4],
  ]);
  const hour = 3600;
  const now = Math.ceil(Date.now() / 1000 / hour) * hour;
  const window = { start: now - 10 * 24 * hour, end: now, width: hour };
  const history = await historyOf(db, ids, window);
  assert.equal(history.length, 2 * 6);
  for (const id of ids) {
    const own = history.filter(({ integrationId }) => integrationId === id);
    assert.equal(
      own.reduce((sum, { counters }) => sum + counters[0]!, 0n),
      3n * 90n * 4n,
    );
  }
});

test('a fold that is cut in the middle, or done by several at once, loses and doubles nothing', async (t) => {
  const { url, db, before } = await filled(t);
  const cut = db.transaction(async (queries) => {
    assert.ok((await foldBuckets(queries, 50)) > 0);
    throw new Error('cut');
  });
  await assert.rejects(cut, /cut/);
  assert.deepEqual(await sums(db), before);
  assert.deepEqual(await resolutions(db), [[60, 540]]);

  // Its connection goes before it has committed.
  const client = await connectedClient(url);
  const queries = {
    query: async (sql: string, values: readonly unknown[] = []) =>
      (await client.query(sql, [...values])).rows,
  };
  const [{ pid }] = (await queries.query('select pg_backend_pid() as pid')) as [{ pid: number }];
  await queries.query('begin');
  assert.ok((await foldBuckets(queries as Pick<Database, 'query'>, 50)) > 0);
  assert.equal(await fold(db, 50), 0, 'one at a time');
  await db.query('select pg_terminate_backend($1)', [pid]);
  await waitUntil(
    'it is gone',
    async () => (await db.query('select from pg_stat_activity where pid = $1', [pid])).length === 0,
  );
  assert.deepEqual(await sums(db), before);

  const others = [db, databaseAt(t, url), databaseAt(t, url)];
  // Meanwhile reports are stored, of the minutes that are folded.
  const late = storeLate(db);
  for (let left = 1; left > 0; ) {
    left = Math.max(...(await Promise.all(others.map((one) => fold(one, 20)))));
  }
  await late;
  await folded(db, 5000);
  const counts = (rows: Awaited<ReturnType<typeof sums>>) => rows.map(({ counters }) => String(counters));
  assert.deepEqual(
    counts(await sums(db)),
    counts(before).map((text) => text.replace(/^\{(\d+)/, (_, count) => `{${Number(count) + 20}`)),
  );
});

/** Adds one to a minute of both integrations, twenty times. */
async function storeLate(db: Database): Promise<void> {
  for (let n = 0; n < 20; n++) {
    await db.query(
      `insert into statistics_buckets as b (integration_id, bucket, resolution, counters)
       select distinct integration_id, date_trunc('hour', now()) - interval '9 days' + $1 * interval '1 minute', 60, '{1}'::bigint[]
       from statistics_buckets
       on conflict (integration_id, bucket, resolution) do update set counters = add_counters(b.counters, excluded.counters)`,
      [n * 4],
    );
    await sleep(5);
  }
}

test('what is too old goes, in batches, and the node says how many', async (t) => {
  const { db } = await filled(t);
  assert.equal(await deleteOldBuckets(db, 8 * DAY, 100), 100);
  assert.equal(await deleteOldBuckets(db, 8 * DAY, 100), 80);
  assert.deepEqual(await resolutions(db), [[60, 360]]);
  await db.query(
    `insert into executor_spans values ('gone', now() - interval '9 days', now() - interval '9 days', '{1}'),
       ('here', now() - interval '9 days', now(), '{1}')`,
  );
  const deps = testDeps();
  await using _upkeep = startFiguresUpkeep({ ...deps, db, statisticsTtl: 8 * HOUR });
  await waitUntil('it is folded and deleted', async () => (await resolutions(db)).join() === '60,180');
  const { values } = await deps.metrics.statisticsMoved.get();
  assert.deepEqual(
    values.map(({ labels, value }) => [labels.what, value]),
    [
      ['folded', 180],
      ['expired', 18],
    ],
  );
  assert.deepEqual(await db.query('select service_id from executor_spans'), [{ service_id: 'here' }]);
});

test('the sum of a scope with many integrations is that of their sums, part by part', async (t) => {
  const { db } = await migrated(t);
  const ids = Array.from({ length: 60 }, () => randomUUID());
  await db.query(
    `insert into integrations (id, name, description, type, enabled, enabled_change_time, generation, config, create_time, update_time)
     select id, case when n > 1 then 'North ' else 'South ' end || n, '', 'http', true, now(), 1, '', now(), now()
     from unnest($1::uuid[]) with ordinality as one (id, n)`,
    [ids],
  );
  await storeMinutes(db, 2 * HOUR, 90, [ALL, ...ids]);
  const end = Math.ceil(Date.now() / 1000 / 3600) * 3600;
  const window = { start: end - 4 * 3600, end, width: 120 };
  const { signal } = new AbortController();
  const rows = await sumOfScope(db, { labels: [], namePrefix: 'North ' }, window, signal);
  assert.equal(rows.length, 45);
  const expected = [3 * 2 * 59, [1, 3, 5].map((lag) => lag * 59)];
  assert.deepEqual([Number(rows[0]!.counters[0]), rows.slice(0, 3).map(({ lag }) => Number(lag))], expected);
  assert.ok(rows.every(({ counters }) => counters[8] === BigInt(5 * 2 * 59)));
  assert.deepEqual(rows, await sumOf(db, ids.slice(1), window));
});
