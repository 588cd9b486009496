import { afterBoth, type Counted, type CountedBefore } from '../status/counters.ts';
import type { StatisticsRow } from '../status/fold.ts';
import type { Queries } from './database.ts';

/** What a row said before it was changed. */
export interface StatisticsBefore extends CountedBefore {
  readonly nodeStart: string | null;
  readonly offset: number;
  /** Milliseconds since 1970. */
  readonly time: number;
}

/** Figures that were stored: newer than what was there. */
export interface StoredStatistics {
  readonly row: StatisticsRow;
  /** Undefined: there was none. */
  readonly before: StatisticsBefore | undefined;
  /** Whether to keep its event: one a minute for each shard on each executor. */
  readonly isKept: boolean;
}

const UPSERT = `insert into executor_statistics as s
    (integration_id, shard, service_id, time, lag, oldest_age_ms, last_delivered_time, event_time,
     uplink_offset, node_start_time, run, counters, in_flight, interval_ms)
  select id, shard, service_id, time, lag, oldest_age_ms, last_delivered_time, time, uplink_offset, node_start_time,
    run, counters::bigint[], in_flight, interval_ms
  from unnest($1::uuid[], $2::bigint[], $3::text[], $4::timestamptz[], $5::bigint[], $6::bigint[], $7::timestamptz[],
    $8::bigint[], $10::timestamptz[], $11::text[], $12::text[], $13::bigint[], $14::bigint[]) as said
    (id, shard, service_id, time, lag, oldest_age_ms, last_delivered_time, uplink_offset, node_start_time, run,
     counters, in_flight, interval_ms)
  on conflict (integration_id, shard, service_id) do update set
    time = excluded.time, lag = excluded.lag, oldest_age_ms = excluded.oldest_age_ms,
    last_delivered_time = coalesce(excluded.last_delivered_time, s.last_delivered_time),
    event_time = case when excluded.time >= s.event_time and excluded.time < s.event_time + interval '60 seconds'
                      then s.event_time else excluded.time end,
    uplink_offset = excluded.uplink_offset, node_start_time = excluded.node_start_time,
    run = excluded.run, in_flight = excluded.in_flight, interval_ms = excluded.interval_ms,
    -- Of one counting, a report that comes again, or late, has less.
    counters = case when s.run = excluded.run and s.run like '%@%'
                    then larger_counters(s.counters, excluded.counters) else excluded.counters end,
    before = jsonb_build_object('run', s.run, 'counters', s.counters, 'nodeStart', s.node_start_time,
      'offset', s.uplink_offset, 'time', extract(epoch from s.time) * 1000)
  where s.uplink_offset < excluded.uplink_offset or (s.uplink_offset >= $9 and s.time < excluded.time)
  returning integration_id, shard, service_id, before, event_time = time as is_kept`;

type Key = Pick<StatisticsRow, 'integrationId' | 'serviceId'> & { readonly shard: number | string };
const keyOf = ({ integrationId, shard, serviceId }: Key) => `${integrationId}/${shard}/${serviceId}`;

/** What the last of the reports said, and where one before it of the same counting said more, that. */
function largestOf({ samples }: StatisticsRow): Counted {
  return samples.map(({ counted }) => counted).reduce(afterBoth);
}

/**
 * Stores the newest figures of each shard on each executor, where they are newer than what is there.
 * @param end one after the last offset of their partition when they were read
 */
export async function upsertStatistics(
  queries: Queries,
  statistics: readonly StatisticsRow[],
  end: number,
): Promise<StoredStatistics[]> {
  if (statistics.length === 0) return [];
  type Row = {
    integration_id: string;
    shard: string;
    service_id: string;
    before: StatisticsBefore | null;
    is_kept: boolean;
  };
  const counted = statistics.map(largestOf);
  const rows = await queries.query<Row>(UPSERT, [
    statistics.map((one) => one.integrationId),
    statistics.map((one) => one.shard),
    statistics.map((one) => one.serviceId),
    statistics.map((one) => one.time),
    statistics.map((one) => one.lag),
    statistics.map((one) => one.oldestAgeMs ?? null),
    statistics.map((one) => one.lastDeliveredTime ?? null),
    statistics.map((one) => one.offset),
    end,
    statistics.map((one) => one.nodeStartTime ?? null),
    counted.map(({ run }) => run),
    counted.map(({ counters }) => `{${counters.join()}}`),
    statistics.map((one) => one.inFlight),
    statistics.map((one) => one.intervalMs ?? null),
  ]);
  const byKey = new Map(statistics.map((one) => [keyOf(one), one]));
  return rows.map(({ integration_id, service_id, shard, before, is_kept }) => ({
    row: byKey.get(keyOf({ integrationId: integration_id, serviceId: service_id, shard }))!,
    before: before ?? undefined,
    isKept: is_kept,
  }));
}
