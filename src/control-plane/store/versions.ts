import { fromBinary, toBinary } from '@bufbuild/protobuf';
import type { Event } from '../../../gen/penstock/v1/event_service_pb.ts';
import { type Integration, IntegrationSchema } from '../../../gen/penstock/v1/integration_pb.ts';
import type { Queries } from './database.ts';
import { type EventSelection, toEvent } from './events.ts';

// Rows carry the transaction that wrote them. A transaction may end long after a later one has: what was written since a
// moment is therefore what was written by the transactions that had not ended then, whichever their numbers are.

/** A transaction before which all have ended. */
export type Horizon = string;

export async function horizonOf(queries: Queries): Promise<Horizon> {
  const sql = 'select pg_snapshot_xmin(pg_current_snapshot())::text as horizon';
  const [row] = await queries.query<{ horizon: string }>(sql);
  return row!.horizon;
}

/** Notes that the integration is deleted, for those who watch. */
export async function insertDeleted(queries: Queries, answer: Integration): Promise<void> {
  await queries.query(
    'insert into deleted_integrations (id, delete_time, integration) values ($1, now(), $2)',
    [answer.id, Buffer.from(toBinary(IntegrationSchema, answer))],
  );
}

export async function forgetDeleted(queries: Queries, ttl: number): Promise<void> {
  const sql = "delete from deleted_integrations where delete_time < now() - $1 * interval '1 millisecond'";
  await queries.query(sql, [ttl]);
}

export interface Changes {
  /** Integrations that were changed, or of which executors said something new. Some may be repetitions. */
  readonly ids: readonly string[];
  readonly deleted: readonly { readonly integration: Integration; readonly time: Date }[];
  /** From where on to ask next. */
  readonly horizon: Horizon;
}

export async function changesSince(queries: Queries, since: Horizon): Promise<Changes> {
  // One statement, for one view of what has ended.
  const [changed] = await queries.query<{ ids: string[]; horizon: string }>(
    `select pg_snapshot_xmin(pg_current_snapshot())::text as horizon, array(
       select id from integrations where version >= $1::xid8
       union select integration_id from executor_states where version >= $1::xid8) as ids`,
    [since],
  );
  // Later, so it may tell of more; who is told twice of one does not mind.
  const deleted = await queries.query<{ integration: Uint8Array; delete_time: Date }>(
    'select integration, delete_time from deleted_integrations where version >= $1::xid8 order by delete_time',
    [since],
  );
  return {
    ...changed!,
    deleted: deleted.map((row) => ({
      integration: fromBinary(IntegrationSchema, row.integration),
      time: row.delete_time,
    })),
  };
}

/** A place in the order in which events were stored. */
export interface EventPlace {
  readonly version: Horizon;
  /** The event there; undefined: before the first of the transaction. */
  readonly event: { readonly time: Date; readonly id: string } | undefined;
}

/** Up to `limit` events that were stored after a place by transactions before the horizon, and where to go on. */
export async function eventsSince(
  queries: Queries,
  { integrationId, kinds, start, end }: EventSelection,
  since: EventPlace,
  horizon: Horizon,
  limit: number,
): Promise<{ readonly events: readonly Event[]; readonly next: EventPlace }> {
  type Row = { id: string; time: Date; record: Uint8Array; version: string };
  const rows = await queries.query<Row>(
    `select id, time, record, version::text as version from events
     where version >= $1::xid8 and version < $2::xid8 and ($3::uuid is null or (version, time, id) > ($1::xid8, $4, $3))
       and ($5::uuid is null or integration_id = $5) and ($6::smallint[] is null or kind = any($6))
       and ($7::timestamptz is null or time >= $7) and ($8::timestamptz is null or time < $8)
     order by events.version, time, id limit $9`,
    [
      since.version,
      horizon,
      since.event?.id ?? null,
      since.event?.time ?? null,
      integrationId ?? null,
      kinds ?? null,
      start ?? null,
      end ?? null,
      limit,
    ],
  );
  const last = rows.length === limit ? rows.at(-1) : undefined;
  return {
    events: rows.map(toEvent),
    next: last ? { version: last.version, event: last } : { version: horizon, event: undefined },
  };
}
