import { ALL } from '../status/additions.ts';
import type { Queries } from '../store/database.ts';
import type { ScopeSelection } from '../store/scoped.ts';
import { idsFrom } from '../store/shard-figures.ts';
import { type HistoryRow, sumOf, type Window } from '../store/statistics-history.ts';

/** Integrations that are added up by one statement: even of a month they take it some 100 ms. */
const AT_A_TIME = 50;

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
  const sums = new Map<number, HistoryRow>();
  let after: string | undefined;
  do {
    signal.throwIfAborted();
    const ids = await idsFrom(queries, [], scope, { after, limit: AT_A_TIME });
    for (const row of await sumOf(queries, ids, window)) {
      const sum = sums.get(row.start);
      sums.set(row.start, sum ? both(sum, row) : row);
    }
    after = ids.length === AT_A_TIME ? ids.at(-1) : undefined;
  } while (after !== undefined);
  return [...sums.values()].toSorted((a, b) => a.start - b.start);
}

const both = (a: HistoryRow, b: HistoryRow): HistoryRow => ({
  integrationId: ALL,
  start: a.start,
  counters: a.counters.map((count, i) => count + b.counters[i]!),
  lag: a.lag === undefined ? b.lag : a.lag + (b.lag ?? 0n),
  oldestAgeMs: Math.max(a.oldestAgeMs, b.oldestAgeMs),
});
