/** Which rows of a long table are drawn. */
export interface Window {
  readonly first: number;
  /** After the last. */
  readonly end: number;
  /** The height of what is not drawn, in pixels. */
  readonly above: number;
  readonly below: number;
}

/** Rows beyond what is seen, so that a fast scroll meets rows that are there. */
const SPARE = 10;

/** @param top how far the view is below the table's begin, in pixels; negative: above it */
export function windowOf(count: number, rowHeight: number, top: number, viewHeight: number): Window {
  const first = Math.max(0, Math.min(count, Math.floor(top / rowHeight) - SPARE));
  const end = Math.max(first, Math.min(count, Math.ceil((top + viewHeight) / rowHeight) + SPARE));
  return { first, end, above: first * rowHeight, below: (count - end) * rowHeight };
}
