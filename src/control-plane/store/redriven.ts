import type { OffsetRange } from '../../bus/bus.ts';
import type { Queries } from './database.ts';

/** Marks dead letters of one partition as put back; `offsets` ascend. Rejects when the integration is deleted. */
export async function markRedriven(
  queries: Queries,
  integrationId: string,
  partition: number,
  offsets: readonly number[],
  time: Date,
): Promise<void> {
  const runs = runsOf(offsets);
  await queries.query(
    `insert into redriven_dead_letters (integration_id, partition, start_offset, end_offset, redriven_time)
     select $1, $2, run.*, $5 from unnest($3::bigint[], $4::bigint[]) as run
     on conflict (integration_id, partition, start_offset, end_offset) do update set redriven_time = excluded.redriven_time`,
    [integrationId, partition, runs.map(({ start }) => start), runs.map(({ end }) => end), time],
  );
}

/** Whether a redrive of the integration that was started is to go on. */
export async function isRedriven(queries: Queries, integrationId: string): Promise<boolean> {
  const sql = "select from jobs where integration_id = $1 and kind = 'redrive' and finish_time is null";
  return (await queries.query(sql, [integrationId])).length > 0;
}

/** When the dead letters of a part of a partition were last put back, by offset. */
export async function redrivenTimes(
  queries: Queries,
  integrationId: string,
  partition: number,
  { start, end }: OffsetRange,
): Promise<ReadonlyMap<number, Date>> {
  const rows = await queries.query<{ start_offset: string; end_offset: string; redriven_time: Date }>(
    `select start_offset, end_offset, redriven_time from redriven_dead_letters
     where integration_id = $1 and partition = $2 and start_offset < $4 and end_offset > $3 order by redriven_time`,
    [integrationId, partition, start, end],
  );
  const times = new Map<number, Date>();
  for (const row of rows) {
    const last = Math.min(end, Number(row.end_offset));
    for (let offset = Math.max(start, Number(row.start_offset)); offset < last; offset++) {
      times.set(offset, row.redriven_time);
    }
  }
  return times;
}

/** The marks before an offset as runs that do not touch one another; those of `redrivenTimes` may overlap. */
const RUNS_BEFORE = `with ordered as (
    select start_offset, least(end_offset, $3) as end_offset,
      max(end_offset) over (order by start_offset, end_offset rows between unbounded preceding and 1 preceding) as before
    from redriven_dead_letters where integration_id = $1 and partition = $2 and start_offset < $3),
  numbered as (
    select *, count(*) filter (where before is null or before < start_offset) over (order by start_offset, end_offset) as run
    from ordered),
  runs as (select min(start_offset) as start_offset, max(end_offset) as end_offset from numbered group by run)`;

/** The end of what is not put back, at or before an offset: from there on to it, all of it is. */
export async function unmarkedEnd(
  queries: Queries,
  integrationId: string,
  partition: number,
  before: number,
): Promise<number> {
  const rows = await queries.query<{ start_offset: string }>(
    `${RUNS_BEFORE} select start_offset from runs where end_offset = $3`,
    [integrationId, partition, before],
  );
  return rows[0] ? Number(rows[0].start_offset) : before;
}

/** How many offsets of a part of a partition are marked as put back. */
export async function countMarked(
  queries: Queries,
  integrationId: string,
  partition: number,
  { start, end }: OffsetRange,
): Promise<number> {
  const rows = await queries.query<{ count: string }>(
    `${RUNS_BEFORE} select coalesce(sum(greatest(0, end_offset - greatest(start_offset, $4))), 0) as count from runs`,
    [integrationId, partition, end, start],
  );
  return Number(rows[0]?.count ?? 0);
}

/** Removes the marks of dead letters that are gone from a partition: those before an offset. */
export async function forgetRedriven(
  queries: Queries,
  integrationId: string,
  partition: number,
  before: number,
): Promise<void> {
  await queries.query(
    'delete from redriven_dead_letters where integration_id = $1 and partition = $2 and end_offset <= $3',
    [integrationId, partition, before],
  );
}

/**
 * Keeps where the dead letters of a partition begin. Answers how many of those that were there before are gone and had not
 * been put back, and forgets the marks of the others. A topic that was made anew begins anew.
 */
export async function keepStart(
  queries: Queries,
  integrationId: string,
  partition: number,
  start: number,
): Promise<number> {
  const [known] = await queries.query<{ start_offset: string }>(
    'select start_offset from dead_letter_starts where integration_id = $1 and partition = $2',
    [integrationId, partition],
  );
  const before = Number(known?.start_offset ?? 0);
  const gone = { start: Math.min(before, start), end: start };
  const lost = gone.end - gone.start - (await countMarked(queries, integrationId, partition, gone));
  await queries.query(
    `insert into dead_letter_starts values ($1, $2, $3)
     on conflict (integration_id, partition) do update set start_offset = excluded.start_offset`,
    [integrationId, partition, start],
  );
  await forgetRedriven(queries, integrationId, partition, start);
  return lost;
}

/** Ascending offsets as runs without a gap. */
export function runsOf(offsets: readonly number[]): OffsetRange[] {
  const runs: { start: number; end: number }[] = [];
  for (const offset of offsets) {
    const last = runs.at(-1);
    if (last?.end === offset) last.end++;
    else runs.push({ start: offset, end: offset + 1 });
  }
  return runs;
}
