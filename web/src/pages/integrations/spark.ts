import type { StatisticsSeries } from '../../../../src/client/contract.ts';
import { gridOf, isOpen, lengthOf } from '../charts/grid.ts';

/** A small drawing of a rate over time. */
export interface Spark {
  /** An SVG path within `SPARK`; where nothing is known it is broken. */
  readonly path: string;
  /** The highest rate, in a second; undefined: nothing is known. */
  readonly most: number | undefined;
}

export const SPARK = { width: 80, height: 18 };
/** Room for the line's own width. */
const EDGE = 1;

/** Messages taken in a second, over the time since `start`; both times in seconds since 1970. */
export function sparkOf(series: StatisticsSeries, start: number, now: number): Spark {
  const grid = gridOf(series, start, now);
  const rates = grid.places.map((place, i) =>
    place === undefined ? undefined : Number(series.received[place]) / lengthOf(grid, i),
  );
  const known = rates.filter((rate) => rate !== undefined);
  if (known.length === 0) return { path: '', most: undefined };
  const most = Math.max(...known);
  const x = (i: number) => EDGE + (i * (SPARK.width - 2 * EDGE)) / Math.max(1, rates.length - 1);
  const y = (rate: number) => SPARK.height - EDGE - (rate / (most || 1)) * (SPARK.height - 2 * EDGE);
  const parts = rates.map((rate, i) => {
    if (rate === undefined) return '';
    const isBegin = rates[i - 1] === undefined;
    // A line of no length is a dot.
    return `${isBegin ? 'M' : 'L'}${x(i).toFixed(1)} ${y(rate).toFixed(1)}${isBegin ? 'h0' : ''}`;
  });
  return { path: parts.join(''), most };
}

/** What all integrations do together. */
export interface Totals {
  /** In a second, over the last whole bucket. */
  readonly received: number;
  readonly delivered: number;
  /** Undefined: not known. */
  readonly lag: bigint | undefined;
}

/** Undefined: of the last whole bucket nothing was told. Times in seconds since 1970. */
export function totalsOf(series: StatisticsSeries, start: number, now: number): Totals | undefined {
  const grid = gridOf(series, start, now);
  const last = grid.times.findLastIndex((_, i) => !isOpen(grid, i));
  const place = grid.places[last];
  if (place === undefined) return undefined;
  const rate = (counts: readonly bigint[]) => Number(counts[place] ?? 0n) / grid.bucket;
  const lag = series.lag.at(-1) ?? -1n;
  return {
    received: rate(series.received),
    delivered: rate(series.delivered),
    lag: lag < 0n ? undefined : lag,
  };
}
