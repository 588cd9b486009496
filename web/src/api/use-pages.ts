import { useState } from 'preact/hooks';
import { type Failure, failureOf } from './failures.ts';
import { useAction } from './use-action.ts';
import { useQuery } from './use-query.ts';

/** What one call answers of a list. */
export interface PageOf<T> {
  readonly items: readonly T[];
  /** Of the next page; empty: this was the last. */
  readonly token: string;
}

interface Pages<P extends PageOf<unknown>> {
  /** Of all pages that are there. */
  readonly items: readonly P['items'][number][];
  /** The first page; undefined: it is not there yet. */
  readonly page: P | undefined;
  /** The one that was loaded last. */
  readonly last: P | undefined;
  /** Why the first page, or the one after the last, is not there; what is there is shown beside it. */
  readonly failure: Failure | undefined;
  readonly isLoadingMore: boolean;
  /** Undefined: there is no more. */
  readonly loadMore: (() => void) | undefined;
  /** Begins with the first page again. */
  readonly reload: () => void;
}

/**
 * A list, page by page. What comes of another list, or of a page that was asked for before a reload, is not shown.
 * @param key names the list: with another one it begins anew
 * @param inputs when one of them changes, the first page is asked for again; what is there stays meanwhile
 */
export function usePages<P extends PageOf<unknown>>(
  ask: (token: string, signal?: AbortSignal) => Promise<P>,
  key: string,
  inputs: readonly unknown[] = [],
): Pages<P> {
  const [more, setMore] = useState<{ readonly of: P; readonly items: P['items']; readonly last: P }>();
  const [failed, setFailed] = useState<{ readonly of: P; readonly failure: Failure }>();
  const first = useQuery(async (signal) => ({ key, page: await ask('', signal) }), [key, ...inputs]);
  const page = first.value?.key === key ? first.value.page : undefined;
  const mine = more?.of === page ? more : undefined;
  const last = mine?.last ?? page;
  const older = useAction(async () => {
    if (!page || !last || last.token === '') return;
    setFailed(undefined);
    try {
      const next = await ask(last.token);
      setMore({ of: page, items: [...(mine?.items ?? []), ...next.items], last: next });
    } catch (error) {
      setFailed({ of: page, failure: failureOf(error) });
    }
  });
  return {
    items: [...(page?.items ?? []), ...(mine?.items ?? [])],
    page,
    last,
    failure: first.failure ?? (failed?.of === page ? failed?.failure : undefined),
    isLoadingMore: older.isRunning,
    loadMore: last && last.token !== '' ? () => older.run() : undefined,
    reload: first.reload,
  };
}
