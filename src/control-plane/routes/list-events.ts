import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import type {
  ListEventsRequest,
  ListEventsResponseSchema,
} from '../../../gen/penstock/v1/event_service_pb.ts';
import { type Order, orderOf } from '../order-by.ts';
import { listOf, pageSizeOf, pageToken, positionOf } from '../page.ts';
import { eventSelectionOf } from '../status/event-filter.ts';
import { listEvents } from '../store/events.ts';
import type { RouteDeps } from './deps.ts';

const NEWEST_FIRST: Order<'time'> = { by: 'time', isDescending: true };

export async function listEventsRoute(
  { db }: RouteDeps,
  request: ListEventsRequest,
): Promise<MessageInitShape<typeof ListEventsResponseSchema>> {
  const order = orderOf(request.orderBy, ['time'], NEWEST_FIRST);
  const list = listOf(request, order);
  const after = positionOf(list, request.pageToken);
  const size = pageSizeOf(request.pageSize);
  const page = { after, limit: size + 1, isOldestFirst: !order.isDescending };
  const found = await listEvents(db, eventSelectionOf(request.filter), page);
  const events = found.slice(0, size);
  const last = found.length > size ? events.at(-1) : undefined;
  return {
    events,
    ...(last && { nextPageToken: pageToken(list, { time: timestampDate(last.time!), id: last.id }) }),
  };
}
