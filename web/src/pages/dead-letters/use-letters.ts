import { useState } from 'preact/hooks';
import type { ListedDeadLetter } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import type { Failure } from '../../api/failures.ts';
import { useAction } from '../../api/use-action.ts';
import { useQuery } from '../../api/use-query.ts';
import { events } from '../../live/live.ts';
import type { LetterFilter } from './letter-filter.ts';

const PAGE = 50;
/** A filter may find nothing in a page that is not the last: so many are looked through before somebody is asked. */
const LOOKS = 10;

interface Found {
  /** What it was asked by. */
  readonly key: string;
  readonly letters: readonly ListedDeadLetter[];
  /** Of those that were looked at. */
  readonly total: bigint;
  /** Empty: all were. */
  readonly token: string;
  /** The last one that the events told of when it was asked. */
  readonly newest: string | undefined;
}

export interface ShownLetters {
  /** Undefined: not there yet. */
  readonly found: Found | undefined;
  readonly failure: Failure | undefined;
  /** Since it was asked, the integration gave up more. */
  readonly isOutdated: boolean;
  readonly isLoadingMore: boolean;
  /** Loads older ones; undefined: there are none. */
  readonly loadMore: (() => void) | undefined;
  readonly reload: () => void;
}

/** An integration's dead letters, the newest first, page by page. @param filter undefined: nothing is asked */
export function useLetters(integrationId: string, filter: LetterFilter | undefined): ShownLetters {
  const key = filter ? textOf(integrationId, filter) : '';
  const [more, setMore] = useState<{ readonly of: Found; readonly found: Found }>();
  const { value, failure, reload } = useQuery<Found | undefined>(
    async (signal) => filter && (await look(integrationId, filter, key, '', signal)),
    [key],
  );
  const first = value?.key === key ? value : undefined;
  const found = first && more?.of === first ? more.found : first;
  const older = useAction(async () => {
    if (!filter || !first || !found) return;
    const next = await look(integrationId, filter, key, found.token);
    const letters = [...found.letters, ...next.letters];
    setMore({ of: first, found: { ...found, letters, total: next.total, token: next.token } });
  });
  return {
    found,
    failure: failure ?? older.failure,
    isOutdated: found !== undefined && found.newest !== lastGivenUp(integrationId),
    isLoadingMore: older.isRunning,
    loadMore: found && found.token !== '' ? older.run : undefined,
    reload,
  };
}

async function look(
  integrationId: string,
  filter: LetterFilter,
  key: string,
  from: string,
  signal?: AbortSignal,
): Promise<Found> {
  const newest = lastGivenUp(integrationId);
  let token = from;
  for (let looks = 1; ; looks++) {
    const request = { integrationId, filter, pageSize: PAGE, pageToken: token };
    const page = await api.deadLetters.listDeadLetters(request, signal && { signal });
    token = page.nextPageToken;
    if (page.deadLetters.length > 0 || token === '' || looks === LOOKS)
      return { key, letters: page.deadLetters, total: page.totalSize, token, newest };
  }
}

/** The event of the last message that was given up, as far as the stream told. */
const lastGivenUp = (integrationId: string): string | undefined =>
  events.value.findLast(
    (one) => one.integrationId === integrationId && one.event.case === 'error' && one.event.value.givenUp,
  )?.id;

const textOf = (integrationId: string, filter: LetterFilter): string =>
  JSON.stringify([integrationId, filter], (_, value) => (typeof value === 'bigint' ? String(value) : value));
