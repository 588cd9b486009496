interface MoreProps {
  /** What is asked for; unset: `More`. */
  readonly text?: string;
  readonly pages: { readonly loadMore: (() => void) | undefined; readonly isLoadingMore: boolean };
}

/** Asks for the next page of a list, where there is one. */
export function More({ text = 'More', pages: { loadMore, isLoadingMore } }: MoreProps) {
  if (!loadMore) return null;
  return (
    <p>
      <button type="button" disabled={isLoadingMore} onClick={loadMore}>
        {isLoadingMore ? 'Loading…' : text}
      </button>
    </p>
  );
}
