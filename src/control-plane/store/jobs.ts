import { ReplayState } from '../../../gen/penstock/v1/replay_service_pb.ts';
import type { OffsetRange } from '../../bus/bus.ts';
import type { Caller } from '../../rpc/caller.ts';
import { areInScope } from '../access/scope.ts';
import { trailOf } from '../audit/audit-trail.ts';
import type { Difference } from '../audit/differences.ts';
import type { Database, Queries } from './database.ts';
import type { Version } from './versions.ts';

/** What goes on without its caller. */
export type JobKind = 'replay' | 'redrive';

/** The states of a job: a replay's, which a redrive's are numbered like. */
export const JobState = ReplayState;

type Ranges = ReadonlyMap<number, OffsetRange>;

export interface NewJob {
  readonly kind: JobKind;
  readonly id: string;
  readonly sourceId: string;
  readonly targetId: string;
  /** As it was encoded. */
  readonly request: Uint8Array;
  readonly ranges: Ranges;
  /** Undefined: it is to be counted. */
  readonly total: number | undefined;
  readonly createTime: Date;
}

/** A job that is to go on. */
export interface Job {
  readonly id: string;
  readonly sourceId: string;
  readonly targetId: string;
  readonly request: Uint8Array;
  readonly total: number | undefined;
  /** What is still to be sent. */
  readonly ranges: Ranges;
}

export type JobRow = {
  id: string;
  kind: JobKind;
  integration_id: string;
  target_integration_id: string;
  request: Uint8Array;
  state: ReplayState;
  reason: string;
  total: string | null;
  replayed: string;
  create_time: Date;
  finish_time: Date | null;
};

/**
 * False when the source or the target is deleted, or not for `by` to know of, or another redrive of it runs: nothing is saved
 * then. @param changes what its audit record tells
 */
export function saveJob(
  db: Database,
  by: Caller,
  job: NewJob,
  changes: readonly Difference[],
): Promise<boolean> {
  const { kind, id, sourceId, targetId, request, total, createTime } = job;
  const ranges = [...job.ranges];
  return db.transaction(async (queries) => {
    const ids = [...new Set([sourceId, targetId])];
    if (!(await areInScope(queries, by, ids, true))) return false;
    const there = await queries.query(
      'select id from integrations where id = any($1) order by id for key share',
      [ids],
    );
    if (there.length < ids.length) return false;
    const inserted = await queries.query(
      `insert into jobs (kind, id, integration_id, target_integration_id, request, state, reason, total, replayed,
         create_time)
       values ($1, $2, $3, $4, $5, $6, '', $7, 0, $8) on conflict do nothing returning id`,
      [kind, id, sourceId, targetId, Buffer.from(request), JobState.RUNNING, total ?? null, createTime],
    );
    if (inserted.length === 0) return (await findJobRow(queries, id)) !== undefined; // the same request came twice at once
    await queries.query(
      'insert into replay_partitions select $1, * from unnest($2::int[], $3::bigint[], $4::bigint[])',
      [
        id,
        ranges.map(([partition]) => partition),
        ranges.map(([, { start }]) => start),
        ranges.map(([, { end }]) => end),
      ],
    );
    await trailOf(by)?.changed(queries, `${kind}s/${id}`, changes);
    return true;
  });
}

/** Of any kind. */
export async function findJobRow(queries: Queries, id: string): Promise<JobRow | undefined> {
  const [row] = await queries.query<JobRow>('select * from jobs where id = $1', [id]);
  return row;
}

/** A job that has not ended. */
export interface RunningJob {
  readonly id: string;
  readonly kind: JobKind;
  readonly sourceId: string;
}

/** The oldest first. */
export function runningJobs(queries: Queries): Promise<RunningJob[]> {
  return queries.query<RunningJob>(
    'select id, kind, integration_id as "sourceId" from jobs where finish_time is null order by create_time, id',
  );
}

/** Those that run, as they are. */
export function runningRows(queries: Queries): Promise<JobRow[]> {
  return queries.query<JobRow>('select * from jobs where finish_time is null order by create_time, id');
}

/** Those that were started, moved on or ended since a version. Some may be repetitions. */
export function jobsSince(queries: Queries, since: Version): Promise<JobRow[]> {
  const sql = 'select * from jobs where version > $1::bigint order by jobs.version, id';
  return queries.query<JobRow>(sql, [since]);
}

/** What is left of a job; undefined: it is over. */
export async function findJob(queries: Queries, id: string): Promise<Job | undefined> {
  const sql = 'select * from jobs where id = $1 and finish_time is null';
  const [row] = await queries.query<JobRow>(sql, [id]);
  if (!row) return undefined;
  const partitions = await queries.query<{ partition: number; next_offset: string; end_offset: string }>(
    'select partition, next_offset, end_offset from replay_partitions where replay_id = $1',
    [id],
  );
  return {
    id,
    sourceId: row.integration_id,
    targetId: row.target_integration_id,
    request: row.request,
    total: row.total === null ? undefined : Number(row.total),
    ranges: new Map(
      partitions.map(({ partition, next_offset, end_offset }) => [
        partition,
        { start: Number(next_offset), end: Number(end_offset) },
      ]),
    ),
  };
}

export interface Step {
  readonly partition: number;
  /** The next offset as it was. */
  readonly from: number;
  readonly to: number;
  /** How many messages were sent. */
  readonly count: number;
}

/** Moves a job on, also one that was cancelled meanwhile. False: somebody else did, and it is not ours any more. */
export async function moveJob(queries: Queries, id: string, step: Step): Promise<boolean> {
  const rows = await queries.query(
    `with moved as (
       update replay_partitions set next_offset = $4 where replay_id = $1 and partition = $2 and next_offset = $3
       returning replay_id)
     update jobs set replayed = replayed + $5 from moved where id = replay_id returning id`,
    [id, step.partition, step.from, step.to, step.count],
  );
  return rows.length > 0;
}

/** Notes how much there is for a job that counted it. */
export async function keepTotal(queries: Queries, id: string, total: number): Promise<void> {
  await queries.query('update jobs set total = $2 where id = $1 and total is null', [id, total]);
}

/** Ends a job that has not ended. */
export async function finishJob(
  queries: Queries,
  id: string,
  state: ReplayState,
  time: Date,
  reason = '',
): Promise<void> {
  await queries.query(
    'update jobs set state = $2, finish_time = $3, reason = $4 where id = $1 and finish_time is null',
    [id, state, time, reason],
  );
}

/** Ends a job that has sent what it could. @param lost says what became of so many that it did not send */
export async function endJob(
  queries: Queries,
  id: string,
  time: Date,
  lost: (count: number) => string,
): Promise<void> {
  const [row] = await queries.query<{ lost: string }>(
    'select total - replayed as lost from jobs where id = $1',
    [id],
  );
  const count = Number(row?.lost ?? 0);
  await finishJob(queries, id, JobState.DONE, time, count > 0 ? lost(count) : '');
}

/** Fails what goes on from or to an integration, which is being deleted. */
export async function failJobsOf(queries: Queries, integrationId: string): Promise<void> {
  await queries.query(
    `update jobs set state = $2, finish_time = now(),
       reason = case when integration_id = $1 then 'the integration was deleted' else 'the target integration was deleted' end
     where finish_time is null and (integration_id = $1 or target_integration_id = $1)`,
    [integrationId, JobState.FAILED],
  );
}

/** Deletes up to `limit` jobs that ended more than `ttl` milliseconds ago. Answers how many. */
export async function deleteOldJobs(queries: Queries, ttl: number, limit: number): Promise<number> {
  const rows = await queries.query(
    `delete from jobs where id in
       (select id from jobs where finish_time < now() - $1 * interval '1 millisecond' limit $2)
     returning id`,
    [ttl, limit],
  );
  return rows.length;
}
