import { create, fromBinary } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Event, EventKind, EventSchema } from '../../../gen/penstock/v1/event_service_pb.ts';
import { UplinkRecordSchema } from '../../../gen/penstock/v1/uplink_pb.ts';
import type { Queries } from './database.ts';
import type { Position } from './integrations.ts';
import { type NextRows, walkOf } from './scoped.ts';

/** Which events: those for which everything set here is true. */
export interface EventSelection {
  readonly integrationId?: string;
  readonly kinds?: readonly EventKind[];
  readonly start?: Date;
  readonly end?: Date;
}

const KNOWN_KINDS = [EventKind.LIFECYCLE, EventKind.STATISTICS, EventKind.ERROR];
/** Nodes of a newer version may have stored others. */
const ALL_KINDS = [
  ...KNOWN_KINDS.map((kind) => `kind = ${kind}`),
  'kind < 1',
  `kind > ${Math.max(...KNOWN_KINDS)}`,
];

/** A part of a list of events: from after `after` on in their order, which is the newest first unless another is asked for. */
export interface EventPage {
  readonly after?: Position | undefined;
  readonly limit: number;
  readonly isOldestFirst?: boolean | undefined;
}

/** Looks at hardly more than it answers, whatever is stored. */
export async function listEvents(
  queries: Queries,
  selection: EventSelection,
  page: EventPage,
): Promise<Event[]> {
  const { sql, values } = nextEvents(selection, page);
  return (await queries.query<{ id: string; time: Date; record: Uint8Array }>(sql, values)).map(toEvent);
}

/** The query for them. */
export function nextEvents({ integrationId, kinds, start, end }: EventSelection, page: EventPage): NextRows {
  const [isBeyond, direction] = walkOf(page);
  const values: unknown[] = [page.limit];
  const given = (value: unknown) => `$${values.push(value)}`;
  const conditions: string[] = [];
  if (integrationId !== undefined) conditions.push(`integration_id = ${given(integrationId)}`);
  if (start) conditions.push(`time >= ${given(start)}`);
  if (end) conditions.push(`time < ${given(end)}`);
  if (page.after) {
    const time = given(page.after.time);
    conditions.push(
      `time ${isBeyond}= ${time} and (time, id) ${isBeyond} (${time}, ${given(page.after.id)})`,
    );
  }
  const wanted = kinds ? [...new Set(kinds)].map((kind) => `kind = ${Number(kind)}`) : ALL_KINDS;
  const order = `time ${direction}, id ${direction}`;
  // So many of each kind, by the index that has them in their order: where one is rare, no others are looked at.
  const nexts = wanted.map(
    (
      kind,
    ) => `(select id, time, integration_id, record from events where ${[kind, ...conditions].join(' and ')}
       order by ${order} limit $1)`,
  );
  const sql = `select * from (${nexts.join(' union all ')}) as next order by ${order} limit $1`;
  return { sql, values, direction };
}

/** The event that a report is. */
export function toEvent({ id, time, record }: { id: string; time: Date; record: Uint8Array }): Event {
  const { integrationId, generation, serviceId, report } = fromBinary(UplinkRecordSchema, record);
  return create(EventSchema, {
    id,
    integrationId,
    generation,
    serviceId,
    time: timestampFromDate(time),
    // What a node says of itself is no event.
    ...(report.case !== 'node' && report.case !== 'filters' && { event: report }),
  });
}
