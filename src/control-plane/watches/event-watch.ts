import type { WatchEventsResponse } from '../../../gen/penstock/v1/event_service_pb.ts';
import { isSelectedEvent } from '../status/event-filter.ts';
import { type EventPlace, placeAfter } from '../store/versions.ts';
import { Bell } from './bell.ts';
import type { EventFeed, WantedEvents, WatchedEvent } from './event-feed.ts';
import type { SharedFeed } from './shared-feed.ts';

/** Events that are looked at, and told, at a time. */
const AT_A_TIME = 100;

/** The wanted events that are stored from now on, each once and in their order, until the signal aborts. */
export async function* eventsFromNow(
  feeds: SharedFeed<EventFeed>,
  wanted: WantedEvents,
  signal: AbortSignal,
): AsyncGenerator<WatchEventsResponse> {
  for await (const events of eventLists(feeds, wanted, signal)) {
    if (events !== 'synced') for (const { answer } of events) yield answer;
  }
}

/** The same in lists. `synced`: from here on. */
export async function* eventLists(
  feeds: SharedFeed<EventFeed>,
  wanted: WantedEvents,
  signal: AbortSignal,
): AsyncGenerator<readonly WatchedEvent[] | 'synced'> {
  const bell = new Bell();
  using joined = feeds.join(bell);
  const { feed } = joined;
  feed.add(bell);
  try {
    const start = await feed.start(signal);
    let place: EventPlace = { version: start.version, event: undefined };
    let number: number | undefined = start.number;
    yield 'synced';
    for (;;) {
      bell.throwIfFailed();
      if (number === undefined || !feed.isKept(number)) {
        const found = await feed.since(wanted, place, signal);
        yield found.events;
        [place, number] = [found.next, found.number];
        continue;
      }
      const batch = feed.from(number, AT_A_TIME);
      if (batch.length === 0) {
        await bell.rung(signal);
        continue;
      }
      number += batch.length;
      const events = batch.filter(({ version }) => BigInt(version) > BigInt(start.version)); // not those of before
      const last = events.at(-1);
      if (last) place = placeAfter(last);
      const passing = events.filter((event) => isSelectedEvent(event, wanted.selection));
      yield await feed.inScope(passing, wanted.scope);
    }
  } finally {
    feed.remove(bell);
  }
}
