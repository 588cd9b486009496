import type { MessageInitShape } from '@bufbuild/protobuf';
import type { FailureClass } from '../../../gen/penstock/v1/envelope_pb.ts';
import type { StatisticsSeriesSchema } from '../../../gen/penstock/v1/statistics_service_pb.ts';
import { ALL } from '../status/additions.ts';
import { failuresOf, KNOWN_COUNTERS, latencyOf, RESULTS } from '../status/counters.ts';
import type { TimeSpan } from '../store/executor-spans.ts';
import type { HistoryRow, Window } from '../store/statistics-history.ts';

/** Whose series, and what is known beside its rows. */
export interface SeriesOf {
  /** `ALL`: of several together. */
  readonly integrationId: string;
  /** When executors were heard that would have told. */
  readonly heard: readonly TimeSpan[];
  /** When it was created, in seconds since 1970. Unset: always. */
  readonly createTime?: number;
  /** What was told last before the window. Undefined: nothing. */
  readonly lagBefore: bigint | undefined;
}

/** One place in all columns. */
interface Place {
  readonly start: number;
  readonly counters: readonly bigint[];
  readonly lag: bigint;
  readonly oldestAgeMs: bigint;
}

const ZEROS: readonly bigint[] = new Array(KNOWN_COUNTERS).fill(0n);
const UNKNOWN = -1n;

/**
 * The columns of one series. A bucket without a row has a place where an executor was heard in it, for then nothing had changed;
 * otherwise none.
 * @param rows its own, in the order of their times
 */
export function seriesOf(
  of: SeriesOf,
  rows: readonly HistoryRow[],
  window: Window,
): MessageInitShape<typeof StatisticsSeriesSchema> {
  const places = placesOf(of, rows, window);
  const counts = (index: number) => places.map(({ counters }) => counters[index]!);
  return {
    integrationId: of.integrationId === ALL ? '' : of.integrationId,
    bucket: { seconds: BigInt(window.width) },
    startSeconds: places.map(({ start }) => BigInt(start)),
    ...Object.fromEntries(RESULTS.map((result, index) => [result, counts(index)])),
    lag: places.map(({ lag }) => lag),
    oldestAgeMs: places.map(({ oldestAgeMs }) => oldestAgeMs),
    latency: places.map(({ counters }) => ({ counts: withoutLastZeros(latencyOf(counters)) })),
    failures: failureColumns(places),
  };
}

function placesOf(of: SeriesOf, rows: readonly HistoryRow[], { start, end, width }: Window): Place[] {
  const byStart = new Map(rows.map((row) => [row.start, row]));
  const places: Place[] = [];
  let lag = of.lagBefore ?? UNKNOWN;
  for (let at = start; at < end; at += width) {
    const row = byStart.get(at);
    if (row) {
      lag = row.lag ?? lag;
      places.push({ start: at, counters: row.counters, lag, oldestAgeMs: BigInt(row.oldestAgeMs) });
    } else if (wasHeard(of, at, at + width)) {
      places.push({ start: at, counters: ZEROS, lag, oldestAgeMs: 0n });
    } else {
      lag = UNKNOWN;
    }
  }
  return places;
}

const wasHeard = ({ heard, createTime = 0 }: SeriesOf, start: number, end: number): boolean =>
  createTime < end && heard.some(({ since, until }) => since < end && until > start);

/** One column for each class of which there is any. */
function failureColumns(places: readonly Place[]) {
  const failures = places.map(({ counters }) => failuresOf(counters));
  return failuresOf(ZEROS)
    .map((_, failureClass) => ({
      failureClass: failureClass as FailureClass,
      counts: failures.map((counts) => counts[failureClass]!),
    }))
    .filter(({ counts }) => counts.some((count) => count > 0n));
}

const withoutLastZeros = (counts: readonly bigint[]) =>
  counts.slice(0, counts.findLastIndex((count) => count > 0n) + 1);
