import type { ListedDeadLetter } from '../../../../src/client/contract.ts';
import { api } from '../../api/client.ts';
import type { Failure } from '../../api/failures.ts';
import { type PageOf, usePages } from '../../api/use-pages.ts';
import { events } from '../../live/live.ts';
import type { LetterFilter } from './letter-filter.ts';

const PAGE = 50;
/** A filter may find nothing in a page that is not the last: so many are looked through before somebody is asked. */
const LOOKS = 10;

interface Found extends PageOf<ListedDeadLetter> {
  /** Of those that were looked at. */
  readonly total: bigint;
  /** The last one that the events told of when it was asked. */
  readonly newest: string | undefined;
}

export interface ShownLetters {
  /** Undefined: not there yet. */
  readonly found:
    | { readonly letters: readonly ListedDeadLetter[]; readonly total: bigint; readonly isWhole: boolean }
    | undefined;
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
  const { items, page, last, failure, isLoadingMore, loadMore, reload } = usePages<Found>(
    (token, signal) => (filter ? look(integrationId, filter, token, signal) : Promise.resolve(NOTHING)),
    filter ? textOf(integrationId, filter) : '',
  );
  const newest = lastGivenUp(integrationId);
  return {
    found: filter && page && last && { letters: items, total: last.total, isWhole: last.token === '' },
    failure,
    isOutdated: page !== undefined && newest !== undefined && page.newest !== newest,
    isLoadingMore,
    loadMore,
    reload,
  };
}

const NOTHING: Found = { items: [], total: 0n, token: '', newest: undefined };

async function look(
  integrationId: string,
  filter: LetterFilter,
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
      return { items: page.deadLetters, total: page.totalSize, token, newest };
  }
}

/** The event of the last message that was given up, as far as the stream told. */
const lastGivenUp = (integrationId: string): string | undefined =>
  events.value.findLast(
    (one) => one.integrationId === integrationId && one.event.case === 'error' && one.event.value.givenUp,
  )?.id;

const textOf = (integrationId: string, filter: LetterFilter): string =>
  JSON.stringify([integrationId, filter], (_, value) => (typeof value === 'bigint' ? String(value) : value));
