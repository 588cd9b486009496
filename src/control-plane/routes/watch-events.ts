import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  WatchEventsRequest,
  WatchEventsResponseSchema,
} from '../../../gen/penstock/v1/event_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { scopeOf } from '../access/scope.ts';
import { eventSelectionOf } from '../status/event-filter.ts';
import { type EventPlace, eventsSince, settledVersion } from '../store/versions.ts';
import type { RouteDeps } from './deps.ts';

type Answer = MessageInitShape<typeof WatchEventsResponseSchema>;

/** Events that are loaded at a time. */
const PAGE = 500;

export async function* watchEvents(
  { db, watches }: RouteDeps,
  { filter }: WatchEventsRequest,
  { caller, signal }: CallContext,
): AsyncGenerator<Answer> {
  const selection = eventSelectionOf(filter);
  let place: EventPlace = { version: await settledVersion(db), event: undefined };
  const poll = async function* (): AsyncGenerator<Answer> {
    const version = await settledVersion(db);
    for (let isMore = true; isMore; ) {
      const { events, next } = await eventsSince(db, selection, place, version, PAGE, scopeOf(caller));
      for (const event of events) yield { event };
      place = next;
      isMore = events.length === PAGE;
    }
  };
  yield* watches.watch(poll, signal);
}
