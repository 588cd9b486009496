interface MoreProps {
  readonly pages: { readonly loadMore: (() => void) | undefined; readonly isLoadingMore: boolean };
}

/** Asks for the next page of a list, where there is one. */
export function More({ pages: { loadMore, isLoadingMore } }: MoreProps) {
  if (!loadMore) return null;
  return (
    <p>
      <button type="button" disabled={isLoadingMore} onClick={loadMore}>
        {isLoadingMore ? 'Loading…' : 'More'}
      </button>
    </p>
  );
}
