import { ALL } from '../status/additions.ts';
import { KNOWN_COUNTERS } from '../status/counters.ts';
import type { Queries } from './database.ts';
import { inScope, type ScopeSelection } from './scoped.ts';

/** A time that is cut into buckets, in seconds since 1970; both ends are multiples of the width. */
export interface Window {
  readonly start: number;
  readonly end: number;
  readonly width: number;
}

/** Whose figures: of each of the integrations by itself, of all together, or of all in a scope together. */
export type Selection = { readonly ids: readonly string[] } | { readonly scope: ScopeSelection | undefined };

/** What is stored of one bucket. */
export interface HistoryRow {
  /** Under `ALL` when it is of several together. */
  readonly integrationId: string;
  readonly start: number;
  /** Those that this version knows, all of them. */
  readonly counters: readonly bigint[];
  readonly lag: bigint | undefined;
  readonly oldestAgeMs: bigint;
}

const SUMS = Array.from({ length: KNOWN_COUNTERS }, (_, i) => `coalesce(sum(counters[${i + 1}]), 0)`).join();

/** What is there of a window, in the order of ids and times. */
export async function historyOf(
  queries: Queries,
  selection: Selection,
  { start, end, width }: Window,
): Promise<HistoryRow[]> {
  const values: unknown[] = [new Date(start * 1000), new Date(end * 1000), width];
  const given = (value: unknown) => `$${values.push(value)}`;
  const scope = 'scope' in selection ? selection.scope : undefined;
  const which = scope
    ? inScope('b.integration_id', scope, given)
    : `b.integration_id = any(${given('ids' in selection ? selection.ids : [ALL])}::uuid[])`;
  const each = `select integration_id, (floor(extract(epoch from bucket) / $3) * $3)::float8 as start,
      array[${SUMS}]::bigint[] as counters,
      (array_agg(lag order by gauge_time desc) filter (where gauge_time is not null))[1] as lag,
      (array_agg(oldest_age_ms order by gauge_time desc) filter (where gauge_time is not null))[1] as age
    from statistics_buckets b where bucket >= $1 and bucket < $2 and ${which} group by integration_id, start`;
  const sql = scope
    ? `select ${given(ALL)} as integration_id, start, array[${SUMS}]::bigint[] as counters, sum(lag)::bigint as lag,
         max(age) as age from (${each}) as one group by start order by start`
    : `${each} order by integration_id, start`;
  type Row = {
    integration_id: string;
    start: number;
    counters: string[];
    lag: string | null;
    age: string | null;
  };
  const rows = await queries.query<Row>(sql, values);
  return rows.map((row) => ({
    integrationId: row.integration_id,
    start: row.start,
    counters: row.counters.map(BigInt),
    lag: row.lag === null ? undefined : BigInt(row.lag),
    oldestAgeMs: BigInt(row.age ?? 0),
  }));
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
