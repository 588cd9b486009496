import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import type {
  ListEventsRequest,
  ListEventsResponseSchema,
} from '../../../gen/penstock/v1/event_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { areInScope, scopeOf } from '../access/scope.ts';
import { type Order, orderOf } from '../order-by.ts';
import { listOf, pageSizeOf, pageToken, positionOf } from '../page.ts';
import { eventSelectionOf } from '../status/event-filter.ts';
import type { Queries } from '../store/database.ts';
import { type EventPage, type EventSelection, listEvents } from '../store/events.ts';
import { listScopedEvents } from '../store/scoped-events.ts';
import type { RouteDeps } from './deps.ts';

const NEWEST_FIRST: Order<'time'> = { by: 'time', isDescending: true };

export async function listEventsRoute(
  { db }: RouteDeps,
  request: ListEventsRequest,
  { caller }: CallContext,
): Promise<MessageInitShape<typeof ListEventsResponseSchema>> {
  const order = orderOf(request.orderBy, ['time'], NEWEST_FIRST);
  const list = listOf(request, order, caller.scope);
  const after = positionOf(list, request.pageToken);
  const size = pageSizeOf(request.pageSize);
  const page = { after, limit: size, isOldestFirst: !order.isDescending };
  const selection = eventSelectionOf(request.filter);
  const scope = scopeOf(caller);
  const { integrationId } = selection;
  const isOne = scope !== undefined && integrationId !== undefined;
  // As of one that is not known: no events, and no next page.
  if (isOne && !(await areInScope(db, caller, [integrationId]))) return { events: [] };
  const { events, next } =
    scope && !isOne
      ? await listScopedEvents(db, selection, scope, page)
      : await allEvents(db, selection, page);
  return { events: [...events], ...(next && { nextPageToken: pageToken(list, next) }) };
}

async function allEvents(db: Queries, selection: EventSelection, { limit, ...page }: EventPage) {
  const found = await listEvents(db, selection, { ...page, limit: limit + 1 });
  const events = found.slice(0, limit);
  const last = found.length > limit ? events.at(-1) : undefined;
  return { events, next: last && { time: timestampDate(last.time!), id: last.id } };
}
