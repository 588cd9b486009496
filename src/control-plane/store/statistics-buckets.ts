import { type Addition, ALL, additionsOf, FINEST } from '../status/additions.ts';
import type { Queries } from './database.ts';
import type { StoredStatistics } from './executor-statistics.ts';
import { IS_LIVING } from './nodes.ts';
import { FOLDS, WIDTHS_IN_SQL } from './resolutions.ts';

/** Adds what reports count to the history. Within a transaction, that of their figures. */
export async function addToBuckets(
  queries: Queries,
  stored: readonly StoredStatistics[],
  end: number,
): Promise<void> {
  const additions = additionsOf(stored, end);
  if (additions.length === 0) return;
  await upsertBuckets(queries, await withWholeLag(queries, additions));
}

const SHARDS = `select distinct on (integration_id, shard) integration_id, time, lag, oldest_age_ms
  from executor_statistics s
  where not exists (select from executor_states e where e.integration_id = s.integration_id and e.shard = s.shard
    and e.service_id = s.service_id and e.state = 0)`;

/** What is told last of an integration is of all its shards, also of those of which no report came now. */
async function withWholeLag(queries: Queries, additions: readonly Addition[]): Promise<Addition[]> {
  const newest = new Map(additions.map((one) => [one.integrationId, one])); // they are in the order of their times
  newest.delete(ALL);
  const rows = await queries.query<{ id: string; lag: string; age: string }>(
    `select integration_id as id, sum(lag)::text as lag, coalesce(max(oldest_age_ms), 0)::text as age
     from (${SHARDS} and integration_id = any($1) order by integration_id, shard, time desc) as shards
     group by integration_id`,
    [[...newest.keys()]],
  );
  const whole = new Map(rows.map((row) => [row.id, row]));
  return additions.map((one) => {
    const row = newest.get(one.integrationId) === one ? whole.get(one.integrationId) : undefined;
    if (!row || !one.last) return one;
    return { ...one, last: { ...one.last, lag: Number(row.lag), oldestAgeMs: Number(row.age) } };
  });
}

const ON_CONFLICT = `on conflict (integration_id, bucket, resolution) do update set
  counters = add_counters(b.counters, excluded.counters),
  lag = case when excluded.gauge_time >= coalesce(b.gauge_time, '-infinity') then excluded.lag else b.lag end,
  oldest_age_ms = case when excluded.gauge_time >= coalesce(b.gauge_time, '-infinity') then excluded.oldest_age_ms
                       else b.oldest_age_ms end,
  gauge_time = greatest(b.gauge_time, excluded.gauge_time)`;

async function upsertBuckets(queries: Queries, additions: readonly Addition[]): Promise<void> {
  await queries.query(
    `insert into statistics_buckets as b (integration_id, bucket, resolution, counters, lag, oldest_age_ms, gauge_time)
     select id, bucket, $1, counters::bigint[], lag, age, time
     from unnest($2::uuid[], $3::timestamptz[], $4::text[], $5::bigint[], $6::bigint[], $7::timestamptz[])
       as one (id, bucket, counters, lag, age, time)
     ${ON_CONFLICT}`,
    [
      FINEST / 1000,
      additions.map((one) => one.integrationId),
      additions.map((one) => new Date(one.start)),
      additions.map((one) => `{${one.counters.join()}}`),
      additions.map((one) => one.last?.lag ?? null),
      additions.map((one) => one.last?.oldestAgeMs ?? null),
      additions.map((one) => one.last?.time ?? null),
    ],
  );
}

/** Notes what waits of all integrations together in the minute of `now`; nothing where no executor is heard. */
export async function noteLagOfAll(queries: Queries, now: Date): Promise<void> {
  await queries.query(
    `insert into statistics_buckets as b (integration_id, bucket, resolution, counters, lag, oldest_age_ms, gauge_time)
     select $1, date_trunc('minute', $2::timestamptz, 'UTC'), $3, '{}', lag, age, $2 from (
       select sum(lag) as lag, coalesce(max(oldest_age_ms), 0) as age from (${SHARDS}
         and exists (select from nodes n where n.service_id = s.service_id and ${IS_LIVING}
           and coalesce(s.node_start_time, s.time) >= n.start_time)
         order by integration_id, shard, time desc) as shards
     ) as whole where lag is not null
     ${ON_CONFLICT}`,
    [ALL, now, FINEST / 1000],
  );
}

/** Any number, as long as all nodes lock the same. */
const FOLD_LOCK = "hashtextextended('penstock statistics buckets', 0)";

/**
 * Adds old rows to rows of longer times, `limit` of them at most; they are gone in the same statement. Within a transaction.
 * Answers how many; 0 also where another node is at it.
 */
export async function foldBuckets(queries: Queries, limit: number): Promise<number> {
  const [lock] = await queries.query<{ got: boolean }>(
    `select pg_try_advisory_xact_lock(${FOLD_LOCK}) as got`,
  );
  if (!lock?.got) return 0;
  let folded = 0;
  for (const { from, to, after } of FOLDS) {
    const [row] = await queries.query<{ folded: number }>(
      `with old as (
         select integration_id, bucket, resolution from statistics_buckets
         where resolution = $1 and bucket < to_timestamp(floor(extract(epoch from now() - $3 * interval '1 millisecond') / $2) * $2)
         order by bucket limit $4 for update skip locked
       ), gone as (
         delete from statistics_buckets b using old where b.integration_id = old.integration_id
           and b.bucket = old.bucket and b.resolution = old.resolution returning b.*
       ), folded as (
         insert into statistics_buckets as b (integration_id, bucket, resolution, counters, lag, oldest_age_ms, gauge_time)
         select integration_id, to_timestamp(floor(extract(epoch from bucket) / $2) * $2) as start, $2, sum_counters(counters),
           (array_agg(lag order by gauge_time desc nulls last))[1],
           (array_agg(oldest_age_ms order by gauge_time desc nulls last))[1], max(gauge_time)
         from gone group by integration_id, start order by integration_id, start
         ${ON_CONFLICT})
       select count(*)::int as folded from gone`,
      [from, to, after, limit],
    );
    folded += row!.folded;
  }
  return folded;
}

/** Deletes up to `limit` rows older than `ttl` milliseconds. Answers how many. */
export async function deleteOldBuckets(queries: Queries, ttl: number, limit: number): Promise<number> {
  const rows = await queries.query(
    `delete from statistics_buckets where (integration_id, bucket, resolution) in (
       select integration_id, bucket, resolution from statistics_buckets
       where resolution in (${WIDTHS_IN_SQL}) and bucket < now() - ($1 * interval '1 millisecond') limit $2)
     returning bucket`,
    [ttl, limit],
  );
  return rows.length;
}

/** Deletes the history of an integration. */
export async function removeBuckets(queries: Queries, integrationId: string): Promise<void> {
  await queries.query('delete from statistics_buckets where integration_id = $1', [integrationId]);
}
