import type { WatchEventsRequest, WatchEventsResponse } from '../../../gen/penstock/v1/event_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { scopeOf } from '../access/scope.ts';
import { eventSelectionOf } from '../status/event-filter.ts';
import { eventsFromNow } from '../watches/event-watch.ts';
import type { RouteDeps } from './deps.ts';

export function watchEvents(
  { watches }: RouteDeps,
  { filter }: WatchEventsRequest,
  { caller, signal }: CallContext,
): AsyncIterable<WatchEventsResponse> {
  const wanted = { selection: eventSelectionOf(filter), scope: scopeOf(caller) };
  return watches.watch(eventsFromNow(watches.events, wanted, signal));
}
