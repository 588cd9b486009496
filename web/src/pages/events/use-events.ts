import { useState } from 'preact/hooks';
import type { Event, EventKind } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import type { Failure } from '../../api/failures.ts';
import { useAction } from '../../api/use-action.ts';
import { useQuery } from '../../api/use-query.ts';
import { events } from '../../live/live.ts';

const PAGE = 100;

export interface ShownEvents {
  /** The newest first. */
  readonly events: readonly Event[];
  readonly failure: Failure | undefined;
  readonly isLoading: boolean;
  /** Loads older ones; undefined: there are none. */
  readonly loadMore: (() => void) | undefined;
}

/** Events as they come, and those of before, page by page. @param id of an integration; empty: of all */
export function useEvents(id: string, kinds: readonly EventKind[]): ShownEvents {
  const filter = { integrationId: id, kinds: [...kinds] };
  const inputs = [id, kinds.join()];
  const [older, setOlder] = useState<{ events: readonly Event[]; token: string } | undefined>();
  const { value, failure } = useQuery(async (signal) => {
    setOlder(undefined);
    return await api.events.listEvents({ filter, pageSize: PAGE }, { signal });
  }, inputs);
  const token = older?.token ?? value?.nextPageToken ?? '';
  const more = useAction(async () => {
    const page = await api.events.listEvents({ filter, pageSize: PAGE, pageToken: token });
    setOlder((before) => ({
      events: [...(before?.events ?? []), ...page.events],
      token: page.nextPageToken,
    }));
  });
  const live = events.value.filter((event) => isWanted(event, id, kinds)).toReversed();
  return {
    events: merged(live, value?.events ?? [], older?.events ?? []),
    failure: failure ?? more.failure,
    isLoading: value === undefined && failure === undefined,
    loadMore: token === '' ? undefined : more.run,
  };
}

const isWanted = ({ integrationId, event }: Event, id: string, kinds: readonly EventKind[]): boolean =>
  (id === '' || integrationId === id) && (kinds.length === 0 || kinds.includes(kindOf(event.case)));

const KINDS = { lifecycle: 1, error: 2, statistics: 3 } as const satisfies Record<string, EventKind>;
const kindOf = (name: keyof typeof KINDS | undefined): EventKind => (name === undefined ? 0 : KINDS[name]);

/** Each once. */
function merged(...lists: readonly (readonly Event[])[]): readonly Event[] {
  const byId = new Map(lists.flat().map((event) => [event.id, event]));
  const timeOf = ({ time }: Event) => Number(time?.seconds ?? 0n) * 1e9 + (time?.nanos ?? 0);
  return [...byId.values()].sort((a, b) => timeOf(b) - timeOf(a));
}
