import { ALL } from '../status/additions.ts';
import { KNOWN_COUNTERS } from '../status/counters.ts';
import type { Queries } from './database.ts';

/** A time that is cut into buckets, in seconds since 1970; both ends are multiples of the width. */
export interface Window {
  readonly start: number;
  readonly end: number;
  readonly width: number;
}

/** What is stored of one bucket. */
export interface HistoryRow {
  /** Under `ALL` when it is of several together. */
  readonly integrationId: string;
  readonly start: number;
  /** Those that this version knows, all of them. */
  readonly counters: readonly bigint[];
  readonly lag: bigint | undefined;
  readonly oldestAgeMs: number;
}

/** As a text: a list of so many numbers is read much faster from one. */
const SUMS = `concat_ws(' ', ${Array.from({ length: KNOWN_COUNTERS }, (_, i) => `coalesce(sum(counters[${i + 1}]), 0)`).join()})`;
const START = '(floor(extract(epoch from bucket) / $4) * $4)::float8';
const OF_THESE =
  'from statistics_buckets where integration_id = any($1::uuid[]) and bucket >= $2 and bucket < $3';

/** What was told last: when, lag and age. No sorting. */
const LAST =
  'max(array[extract(epoch from gauge_time)::float8, lag, oldest_age_ms]) filter (where gauge_time is not null)';

type Row = {
  integration_id: string;
  start: number;
  counters: string;
  lag: number | null;
  age: number | null;
};

const valuesOf = (ids: readonly string[], { start, end, width }: Window) => [
  ids,
  new Date(start * 1000),
  new Date(end * 1000),
  width,
];

const toHistory = ({ integration_id, start, counters, lag, age }: Row): HistoryRow => ({
  integrationId: integration_id,
  start,
  counters: counters.split(' ').map(BigInt),
  lag: lag === null ? undefined : BigInt(lag),
  oldestAgeMs: age ?? 0,
});

/** What is there of a window of each of these integrations, in the order of ids and times. */
export async function historyOf(
  queries: Queries,
  ids: readonly string[],
  window: Window,
): Promise<HistoryRow[]> {
  const rows = await queries.query<Row>(
    `select integration_id, ${START} as start, ${SUMS} as counters,
       (${LAST})[2] as lag, (${LAST})[3] as age
     ${OF_THESE} group by integration_id, start order by integration_id, start`,
    valuesOf(ids, window),
  );
  return rows.map(toHistory);
}

/** What is there of a window of these integrations together, in the order of times: of what does not add up, the sum of the last. */
export async function sumOf(queries: Queries, ids: readonly string[], window: Window): Promise<HistoryRow[]> {
  const rows = await queries.query<Row>(
    `select '${ALL}' as integration_id, start, counters, lag, age from (
       select ${START} as start, ${SUMS} as counters ${OF_THESE} group by start) as counted
     left join (
       select start, sum(last[2]) as lag, max(last[3]) as age from (
         select ${START} as start, ${LAST} as last ${OF_THESE} group by integration_id, start) as each
       group by start) as gauges using (start)
     order by start`,
    valuesOf(ids, window),
  );
  return rows.map(toHistory);
}

/** What was told last of the lag of integrations before a time, by their ids. */
export async function lagBefore(
  queries: Queries,
  ids: readonly string[],
  time: Date,
): Promise<ReadonlyMap<string, bigint>> {
  const rows = await queries.query<{ id: string; lag: string }>(
    `select id, lag::text as lag from unnest($1::uuid[]) as asked (id), lateral (
       select lag from statistics_buckets where integration_id = id and bucket < $2 and lag is not null
       order by bucket desc limit 1) as last`,
    [ids, time],
  );
  return new Map(rows.map(({ id, lag }) => [id, BigInt(lag)]));
}
