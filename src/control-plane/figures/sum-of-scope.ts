import type { Queries } from '../store/database.ts';
import type { ScopeSelection } from '../store/scoped.ts';
import { idsFrom } from '../store/shard-figures.ts';
import { type HistoryRow, sumOf, type Window } from '../store/statistics-history.ts';

/** So few are looked up one by one. */
const FEW = 50;
/** In so many parts, at most, is looked at what all integrations have: rows of one time lie together. */
const PARTS = 60;

/**
 * What is there of a window of all integrations in a scope together, in the order of times.
 * @param signal ends it between two statements: of thousands of busy integrations it takes seconds
 */
export async function sumOfScope(
  queries: Queries,
  scope: ScopeSelection,
  window: Window,
  signal: AbortSignal,
): Promise<HistoryRow[]> {
  const ids = await idsFrom(queries, [], scope, { after: undefined, limit: FEW + 1 });
  if (ids.length <= FEW) return await sumOf(queries, ids, window);
  const rows: HistoryRow[] = [];
  for (const part of partsOf(window)) {
    signal.throwIfAborted();
    rows.push(...(await sumOf(queries, scope, part)));
  }
  return rows;
}

/** Whole buckets each. */
function partsOf({ start, end, width }: Window): Window[] {
  const buckets = Math.ceil((end - start) / width / PARTS);
  const starts = Array.from(
    { length: Math.ceil((end - start) / width / buckets) },
    (_, i) => start + i * buckets * width,
  );
  return starts.map((from) => ({ start: from, end: Math.min(end, from + buckets * width), width }));
}
