import { fromBinary, toBinary } from '@bufbuild/protobuf';
import type { Event, EventKind } from '../../../gen/penstock/v1/event_service_pb.ts';
import { type Integration, IntegrationSchema } from '../../../gen/penstock/v1/integration_pb.ts';
import type { Queries } from './database.ts';
import { type EventSelection, toEvent } from './events.ts';
import { inScope, type ScopeSelection } from './scoped.ts';

// Rows carry the version of the transaction that wrote them. A transaction may end long after one with a higher version has:
// what was written since a moment is therefore what has a higher version than the last one before which all had ended then.

/** A version up to which every transaction has ended: what has it, or a lower one, is there to be seen. */
export type Version = string;

/** Of the locks that open transactions hold, the one half of their names; see the function set_version. */
const LOCK_CLASS = 1_347_310_420;

export async function settledVersion(queries: Queries): Promise<Version> {
  // In this order: whoever has got a version by now held its lock before it, and holds it until it has ended.
  const [given] = await queries.query<{ version: string }>(
    'select last_value::text as version from versions',
  );
  const [open] = await queries.query<{ version: string | null }>(
    `select min(((classid::bigint - $1) << 32) + objid::bigint)::text as version from pg_locks
     where locktype = 'advisory' and objsubid = 1 and classid::bigint between $1 and $1 + 65535
       and database = (select oid from pg_database where datname = current_database())`,
    [LOCK_CLASS],
  );
  const [settled, lowest] = [BigInt(given!.version), open?.version];
  return String(lowest && BigInt(lowest) < settled ? BigInt(lowest) : settled);
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
  readonly version: Version;
}

export async function changesSince(queries: Queries, since: Version): Promise<Changes> {
  const version = await settledVersion(queries);
  // Later, so it may tell of more; who is told twice of one does not mind.
  const changed = await queries.query<{ id: string }>(
    `select id from integrations where version > $1::bigint
     union select integration_id from executor_states where version > $1::bigint
     union select integration_id from dead_letter_counts where version > $1::bigint`,
    [since],
  );
  const deleted = await queries.query<{ integration: Uint8Array; delete_time: Date }>(
    'select integration, delete_time from deleted_integrations where version > $1::bigint order by delete_time',
    [since],
  );
  return {
    version,
    ids: changed.map(({ id }) => id),
    deleted: deleted.map((row) => ({
      integration: fromBinary(IntegrationSchema, row.integration),
      time: row.delete_time,
    })),
  };
}

/** A place in the order in which events were stored. */
export interface EventPlace {
  /** Everything up to this version is before it. */
  readonly version: Version;
  /** The last event before it, of a higher version; undefined: there is none. */
  readonly event: { readonly version: Version; readonly time: Date; readonly id: string } | undefined;
}

/** An event, and what it is found by. */
export interface StoredEvent {
  readonly id: string;
  readonly integrationId: string;
  readonly kind: EventKind;
  readonly time: Date;
  readonly version: Version;
  readonly event: Event;
  /** Of its record. */
  readonly bytes: number;
}

/** From after this event on. */
export const placeAfter = (event: StoredEvent): EventPlace => ({
  version: String(BigInt(event.version) - 1n),
  event,
});

/** Up to `limit` events of a scope that were stored after a place, up to this version, and where to go on. */
export async function eventsSince(
  queries: Queries,
  { integrationId, kinds, start, end }: EventSelection,
  since: EventPlace,
  version: Version,
  limit: number,
  scope?: ScopeSelection,
): Promise<{
  readonly events: readonly Event[];
  readonly stored: readonly StoredEvent[];
  readonly next: EventPlace;
}> {
  type Row = { id: string; time: Date; kind: EventKind; record: Uint8Array; version: string };
  const values: unknown[] = [
    since.version,
    version,
    since.event?.id ?? null,
    since.event?.time ?? null,
    integrationId ?? null,
    kinds ?? null,
    start ?? null,
    end ?? null,
    since.event?.version ?? null,
    limit,
  ];
  const isScoped = inScope('events.integration_id', scope, (value) => `$${values.push(value)}`);
  const rows = await queries.query<Row>(
    `select id, time, kind, record, version::text as version from events
     where version > $1::bigint and version <= $2::bigint
       and ($3::uuid is null or (version, time, id) > ($9::bigint, $4, $3))
       and ($5::uuid is null or integration_id = $5) and ($6::smallint[] is null or kind = any($6))
       and ($7::timestamptz is null or time >= $7) and ($8::timestamptz is null or time < $8) and ${isScoped}
     order by events.version, time, id limit $10`,
    values,
  );
  const last = rows.length === limit ? rows.at(-1) : undefined;
  const stored = rows.map((row) => {
    const { id, kind, time, version } = row;
    const event = toEvent(row);
    return { id, integrationId: event.integrationId, kind, time, version, event, bytes: row.record.length };
  });
  return {
    events: stored.map(({ event }) => event),
    stored,
    next: last ? { version: since.version, event: last } : { version, event: undefined },
  };
}
