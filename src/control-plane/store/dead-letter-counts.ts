import type { OffsetRange } from '../../bus/bus.ts';
import type { Queries } from './database.ts';

/** A step of the schema; see `MIGRATIONS`. */
export const DEAD_LETTER_COUNTS = /* sql */ `
  -- How many dead letters of an integration there are that were not put back. No row: none was ever seen.
  create table dead_letter_counts (
    integration_id uuid primary key references integrations on delete cascade,
    count          bigint not null,
    version        bigint not null default 0
  );
  create index dead_letter_counts_by_version on dead_letter_counts (version);
  create trigger version before insert or update on dead_letter_counts for each row execute function set_version();
  `;

/** Where the dead letters of an integration are. */
export interface DeadLettersThere {
  readonly integrationId: string;
  readonly ranges: ReadonlyMap<number, OffsetRange>;
}

/** Marks may overlap: each counts for what of it is beyond those that begin before it. */
const KEEP = `with there as (
    select * from unnest($1::uuid[], $2::int[], $3::bigint[], $4::bigint[])
      as t (integration_id, partition, start_offset, end_offset)),
  marks as (
    select integration_id, greatest(m.start_offset, t.start_offset) as start_offset,
      least(m.end_offset, t.end_offset) as end_offset,
      max(least(m.end_offset, t.end_offset)) over (partition by integration_id, partition
        order by m.start_offset, m.end_offset rows between unbounded preceding and 1 preceding) as before
    from redriven_dead_letters m join there t using (integration_id, partition)
    where m.end_offset > t.start_offset and m.start_offset < t.end_offset),
  marked as (
    select integration_id, sum(greatest(0, end_offset - greatest(start_offset, before))) as count from marks
    group by integration_id),
  counted as (
    select integration_id, sum(end_offset - start_offset) - coalesce(max(marked.count), 0) as count
    from there left join marked using (integration_id) group by integration_id)
  insert into dead_letter_counts as c (integration_id, count)
  select integration_id, counted.count from counted join integrations on id = integration_id order by 1
  on conflict (integration_id) do update set count = excluded.count where c.count <> excluded.count`;

/** Counts what is there and was not put back, and keeps how many it is. */
export async function keepDeadLetterCounts(
  queries: Queries,
  all: readonly DeadLettersThere[],
): Promise<void> {
  const rows = all.flatMap(({ integrationId, ranges }) =>
    [...ranges].map(([partition, { start, end }]) => ({ integrationId, partition, start, end })),
  );
  await queries.query(KEEP, [
    rows.map(({ integrationId }) => integrationId),
    rows.map(({ partition }) => partition),
    rows.map(({ start }) => start),
    rows.map(({ end }) => end),
  ]);
}

/** Of all integrations but these there are none: their topics are gone. */
export async function forgetOtherCounts(queries: Queries, ids: readonly string[]): Promise<void> {
  await queries.query(
    'update dead_letter_counts set count = 0 where count <> 0 and integration_id <> all($1::uuid[])',
    [ids],
  );
}

/** How many there are, of those of the integrations that have any. */
export async function deadLetterCountsOf(
  queries: Queries,
  ids: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const rows = await queries.query<{ id: string; count: string }>(
    'select integration_id as id, count from dead_letter_counts where integration_id = any($1)',
    [ids],
  );
  return new Map(rows.map(({ id, count }) => [id, Number(count)]));
}
