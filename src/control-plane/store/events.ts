import { create, fromBinary } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Event, type EventKind, EventSchema } from '../../../gen/penstock/v1/event_service_pb.ts';
import { UplinkRecordSchema } from '../../../gen/penstock/v1/uplink_pb.ts';
import type { Queries } from './database.ts';
import type { Position } from './integrations.ts';

/** Which events: those for which everything set here is true. */
export interface EventSelection {
  readonly integrationId?: string;
  readonly kinds?: readonly EventKind[];
  readonly start?: Date;
  readonly end?: Date;
}

/** From after `after` on in their order, which is the newest first unless another is asked for. */
export async function listEvents(
  queries: Queries,
  { integrationId, kinds, start, end }: EventSelection,
  page: {
    readonly after?: Position | undefined;
    readonly limit: number;
    readonly isOldestFirst?: boolean;
  },
): Promise<Event[]> {
  const [isBeyond, direction] = page.isOldestFirst ? ['>', 'asc'] : ['<', 'desc'];
  const rows = await queries.query<{ id: string; time: Date; record: Uint8Array }>(
    `select id, time, record from events
     where ($1::uuid is null or integration_id = $1) and ($2::smallint[] is null or kind = any($2))
       and ($3::timestamptz is null or time >= $3) and ($4::timestamptz is null or time < $4)
       and ($5::timestamptz is null or (time, id) ${isBeyond} ($5, $6::uuid))
     order by time ${direction}, id ${direction} limit $7`,
    [
      integrationId ?? null,
      kinds ?? null,
      start ?? null,
      end ?? null,
      page.after?.time ?? null,
      page.after?.id ?? null,
      page.limit,
    ],
  );
  return rows.map(toEvent);
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

/** Deletes up to `limit` events older than `ttl` milliseconds, the oldest first. Answers how many. */
export async function deleteOldEvents(queries: Queries, ttl: number, limit: number): Promise<number> {
  const rows = await queries.query(
    `delete from events where id in
       (select id from events where time < now() - $1 * interval '1 millisecond' order by time limit $2)
     returning id`,
    [ttl, limit],
  );
  return rows.length;
}
