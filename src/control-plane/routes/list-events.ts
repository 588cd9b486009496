import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Timestamp, timestampDate, timestampMs } from '@bufbuild/protobuf/wkt';
import type {
  EventFilter,
  ListEventsRequest,
  ListEventsResponseSchema,
} from '../../../gen/penstock/v1/event_service_pb.ts';
import { invalidArgument } from '../../rpc/error.ts';
import { pageSizeOf, pageToken, positionOf } from '../page.ts';
import { type EventSelection, listEvents } from '../store/events.ts';
import type { RouteDeps } from './deps.ts';

/** PostgreSQL's largest time is far beyond the schema's, which is the end of the year 9999. */
const MAX_MS = 253_402_300_799_999;
const MIN_MS = -62_135_596_800_000;

export async function listEventsRoute(
  { db }: RouteDeps,
  request: ListEventsRequest,
): Promise<MessageInitShape<typeof ListEventsResponseSchema>> {
  const size = pageSizeOf(request.pageSize);
  const page = { before: positionOf(request.pageToken), limit: size + 1 };
  const found = await listEvents(db, selectionOf(request.filter), page);
  const events = found.slice(0, size);
  const last = found.length > size ? events.at(-1) : undefined;
  return {
    events,
    ...(last && { nextPageToken: pageToken({ time: timestampDate(last.time!), id: last.id }) }),
  };
}

function selectionOf(filter: EventFilter | undefined): EventSelection {
  const { integrationId = '', kinds = [], startTime, endTime } = filter ?? {};
  return {
    ...(integrationId !== '' && { integrationId }),
    ...(kinds.length > 0 && { kinds }),
    ...(startTime && { start: dateOf(startTime, 'start_time') }),
    ...(endTime && { end: dateOf(endTime, 'end_time') }),
  };
}

function dateOf(time: Timestamp, name: string): Date {
  const ms = timestampMs(time);
  if (ms >= MIN_MS && ms <= MAX_MS) return new Date(ms);
  const description = 'must be between the years 1 and 9999';
  throw invalidArgument([{ field: `filter.${name}`, description, reason: 'TIMESTAMP_RANGE' }]);
}
