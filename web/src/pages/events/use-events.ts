import { type Event, EventKind } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import type { Failure } from '../../api/failures.ts';
import { usePages } from '../../api/use-pages.ts';
import { events, syncs } from '../../live/live.ts';

const PAGE = 100;

export interface ShownEvents {
  /** The newest first. */
  readonly events: readonly Event[];
  readonly failure: Failure | undefined;
  readonly isLoading: boolean;
  readonly isLoadingMore: boolean;
  /** Loads older ones; undefined: there are none. */
  readonly loadMore: (() => void) | undefined;
}

/** Events as they come, and those of before, page by page. @param id of an integration; empty: of all */
export function useEvents(id: string, kinds: readonly EventKind[]): ShownEvents {
  const filter = { integrationId: id, kinds: [...kinds] };
  const { items, page, failure, isLoadingMore, loadMore } = usePages(
    async (pageToken, signal) => {
      const request = { filter, pageSize: PAGE, pageToken };
      const answer = await api.events.listEvents(request, signal && { signal });
      return { items: answer.events, token: answer.nextPageToken };
    },
    JSON.stringify(filter),
    // The stream tells what happens from then on: what happened before, or while it was cut, is in the list.
    [syncs.value],
  );
  const live = events.value.filter((event) => isWanted(event, id, kinds)).toReversed();
  return {
    events: merged(live, items),
    failure,
    isLoading: page === undefined && failure === undefined,
    isLoadingMore,
    loadMore,
  };
}

const isWanted = ({ integrationId, event }: Event, id: string, kinds: readonly EventKind[]): boolean =>
  (id === '' || integrationId === id) && (kinds.length === 0 || kinds.includes(kindOf(event.case)));

const KINDS = {
  lifecycle: EventKind.LIFECYCLE,
  error: EventKind.ERROR,
  statistics: EventKind.STATISTICS,
} as const;
const kindOf = (name: keyof typeof KINDS | undefined): EventKind =>
  name === undefined ? EventKind.UNSPECIFIED : KINDS[name];

/** Each once. */
function merged(...lists: readonly (readonly Event[])[]): readonly Event[] {
  const byId = new Map(lists.flat().map((event) => [event.id, event]));
  const timeOf = ({ time }: Event) => Number(time?.seconds ?? 0n) * 1e9 + (time?.nanos ?? 0);
  return [...byId.values()].sort((a, b) => timeOf(b) - timeOf(a));
}
