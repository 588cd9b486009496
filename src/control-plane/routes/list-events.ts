import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import type {
  ListEventsRequest,
  ListEventsResponseSchema,
} from '../../../gen/penstock/v1/event_service_pb.ts';
import { pageSizeOf, pageToken, positionOf } from '../page.ts';
import { eventSelectionOf } from '../status/event-filter.ts';
import { listEvents } from '../store/events.ts';
import type { RouteDeps } from './deps.ts';

export async function listEventsRoute(
  { db }: RouteDeps,
  request: ListEventsRequest,
): Promise<MessageInitShape<typeof ListEventsResponseSchema>> {
  const size = pageSizeOf(request.pageSize);
  const page = { before: positionOf(request.pageToken), limit: size + 1 };
  const found = await listEvents(db, eventSelectionOf(request.filter), page);
  const events = found.slice(0, size);
  const last = found.length > size ? events.at(-1) : undefined;
  return {
    events,
    ...(last && { nextPageToken: pageToken({ time: timestampDate(last.time!), id: last.id }) }),
  };
}
