import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  type Replay,
  ReplaySchema,
  ReplayState,
  type StartReplayRequest,
  StartReplayRequestSchema,
} from '../../../gen/penstock/v1/replay_service_pb.ts';
import type { OffsetRange } from '../../bus/bus.ts';
import type { Caller } from '../../rpc/caller.ts';
import { areInScope } from '../access/scope.ts';
import { trailOf } from '../audit/audit-trail.ts';
import { differences } from '../audit/differences.ts';
import type { Database, Queries } from './database.ts';
import type { Position } from './integrations.ts';
import { type NextRows, walkOf } from './scoped.ts';

type Ranges = ReadonlyMap<number, OffsetRange>;

export interface NewReplay {
  readonly id: string;
  readonly sourceId: string;
  readonly targetId: string;
  readonly request: StartReplayRequest;
  readonly ranges: Ranges;
  readonly createTime: Date;
}

/** A replay that is to go on. */
export interface Job {
  readonly id: string;
  readonly sourceId: string;
  readonly targetId: string;
  readonly maxRate: number;
  /** What is still to be sent. */
  readonly ranges: Ranges;
}

export type ReplayRow = {
  id: string;
  integration_id: string;
  target_integration_id: string;
  request: Uint8Array;
  state: ReplayState;
  reason: string;
  total: string;
  replayed: string;
  create_time: Date;
  finish_time: Date | null;
};

/** False when the source or the target is deleted, or not for `by` to know of: nothing is saved then. */
export function saveReplay(db: Database, by: Caller, replay: NewReplay): Promise<boolean> {
  const { id, sourceId, targetId, request, createTime } = replay;
  const ranges = [...replay.ranges];
  const total = ranges.reduce((sum, [, { start, end }]) => sum + end - start, 0);
  return db.transaction(async (queries) => {
    const ids = [...new Set([sourceId, targetId])];
    if (!(await areInScope(queries, by, ids, true))) return false;
    const there = await queries.query(
      'select id from integrations where id = any($1) order by id for key share',
      [ids],
    );
    if (there.length < ids.length) return false;
    const inserted = await queries.query(
      'insert into replays values ($1, $2, $3, $4, $5, $6, $7, 0, $8) on conflict do nothing returning id',
      [
        id,
        sourceId,
        targetId,
        Buffer.from(toBinary(StartReplayRequestSchema, request)),
        ReplayState.RUNNING,
        '',
        total,
        createTime,
      ],
    );
    if (inserted.length === 0) return true; // the same request came twice at once
    await queries.query(
      'insert into replay_partitions select $1, * from unnest($2::int[], $3::bigint[], $4::bigint[])',
      [
        id,
        ranges.map(([partition]) => partition),
        ranges.map(([, { start }]) => start),
        ranges.map(([, { end }]) => end),
      ],
    );
    const changes = differences(StartReplayRequestSchema, undefined, request, ['request_id']);
    await trailOf(by)?.changed(queries, `replays/${id}`, changes);
    return true;
  });
}

export async function findReplay(queries: Queries, id: string): Promise<Replay | undefined> {
  const [row] = await queries.query<ReplayRow>('select * from replays where id = $1', [id]);
  return row && toReplay(row);
}

/** A part of a list of replays, in the order of their times, from after `after` on. */
export interface ReplayPage {
  readonly after: Position | undefined;
  readonly limit: number;
  readonly isOldestFirst: boolean;
}

/** Of an integration as source or as target, or of all. */
export async function listReplays(
  queries: Queries,
  integrationId: string | undefined,
  page: ReplayPage,
): Promise<Replay[]> {
  const { sql, values } = nextReplays(integrationId, page);
  return (await queries.query<ReplayRow>(sql, values)).map(toReplay);
}

/** The query for them. */
export function nextReplays(integrationId: string | undefined, page: ReplayPage): NextRows {
  const [isBeyond, direction] = walkOf(page);
  const values: unknown[] = [page.limit];
  const given = (value: unknown) => `$${values.push(value)}`;
  const id = integrationId === undefined ? undefined : given(integrationId);
  const isNext = page.after
    ? `(create_time, id) ${isBeyond} (${given(page.after.time)}, ${given(page.after.id)})`
    : 'true';
  const order = `create_time ${direction}, id ${direction}`;
  // Each by the index that has its own in their order.
  const selections = id
    ? [`integration_id = ${id}`, `target_integration_id = ${id} and integration_id <> ${id}`]
    : ['true'];
  const nexts = selections.map(
    (selection) => `(select * from replays where ${selection} and ${isNext} order by ${order} limit $1)`,
  );
  return {
    sql: `select * from (${nexts.join(' union all ')}) as next order by ${order} limit $1`,
    values,
    direction,
  };
}

/** The oldest first. */
export async function runningReplayIds(queries: Queries): Promise<string[]> {
  const sql = 'select id from replays where finish_time is null order by create_time, id';
  return (await queries.query<{ id: string }>(sql)).map(({ id }) => id);
}

/** What is left of a replay; undefined: it is over. */
export async function findJob(queries: Queries, id: string): Promise<Job | undefined> {
  const sql = 'select * from replays where id = $1 and finish_time is null';
  const [row] = await queries.query<ReplayRow>(sql, [id]);
  if (!row) return undefined;
  const partitions = await queries.query<{ partition: number; next_offset: string; end_offset: string }>(
    'select partition, next_offset, end_offset from replay_partitions where replay_id = $1',
    [id],
  );
  return {
    id,
    sourceId: row.integration_id,
    targetId: row.target_integration_id,
    maxRate: fromBinary(StartReplayRequestSchema, row.request).maxRate,
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

/** Moves a replay on, also one that was cancelled meanwhile. False: somebody else did, and it is not ours any more. */
export async function moveReplay(queries: Queries, id: string, step: Step): Promise<boolean> {
  const rows = await queries.query(
    `with moved as (
       update replay_partitions set next_offset = $4 where replay_id = $1 and partition = $2 and next_offset = $3
       returning replay_id)
     update replays set replayed = replayed + $5 from moved where id = replay_id returning id`,
    [id, step.partition, step.from, step.to, step.count],
  );
  return rows.length > 0;
}

/** Ends a replay that has not ended. */
export async function finishReplay(
  queries: Queries,
  id: string,
  state: ReplayState,
  time: Date,
  reason = '',
): Promise<void> {
  await queries.query(
    'update replays set state = $2, finish_time = $3, reason = $4 where id = $1 and finish_time is null',
    [id, state, time, reason],
  );
}

/** Fails what is replayed from or to an integration, which is being deleted. */
export async function failReplaysOf(queries: Queries, integrationId: string): Promise<void> {
  await queries.query(
    `update replays set state = $2, finish_time = now(),
       reason = case when integration_id = $1 then 'the integration was deleted' else 'the target integration was deleted' end
     where finish_time is null and (integration_id = $1 or target_integration_id = $1)`,
    [integrationId, ReplayState.FAILED],
  );
}

/** Deletes up to `limit` replays that ended more than `ttl` milliseconds ago. Answers how many. */
export async function deleteOldReplays(queries: Queries, ttl: number, limit: number): Promise<number> {
  const rows = await queries.query(
    `delete from replays where id in
       (select id from replays where finish_time < now() - $1 * interval '1 millisecond' limit $2)
     returning id`,
    [ttl, limit],
  );
  return rows.length;
}

export function toReplay(row: ReplayRow): Replay {
  const { startTime, endTime, offsetRanges } = fromBinary(StartReplayRequestSchema, row.request);
  return create(ReplaySchema, {
    id: row.id,
    integrationId: row.integration_id,
    targetIntegrationId: row.target_integration_id,
    ...(startTime && { startTime }),
    ...(endTime && { endTime }),
    offsetRanges,
    state: row.state,
    reason: row.reason,
    total: BigInt(row.total),
    replayed: BigInt(row.replayed),
    createTime: timestampFromDate(row.create_time),
    ...(row.finish_time && { finishTime: timestampFromDate(row.finish_time) }),
  });
}
