import type { StatisticsSeries } from '../../../../src/client/contract.ts';
import { msOf } from '../../ui/times.ts';

/** The least time that a rate is made of, in seconds: executors tell their figures so often. */
const LEAST = 10;

/** All buckets of a time, those without figures too. */
export interface Grid {
  /** When each begins, in seconds since 1970. */
  readonly times: readonly number[];
  /** At what place of the columns each stands; undefined: it is a gap. */
  readonly places: readonly (number | undefined)[];
  /** How long a bucket is, in seconds. */
  readonly bucket: number;
  /** When they were answered, in seconds since 1970: the last bucket may go on after it. */
  readonly now: number;
}

/**
 * @param start of what was asked for, in seconds since 1970
 * @param now when it was answered, likewise
 */
export function gridOf(series: StatisticsSeries, start: number, now: number): Grid {
  const bucket = (series.bucket ? msOf(series.bucket) : 60_000) / 1000;
  const places = new Map(series.startSeconds.map((time, place) => [Number(time), place]));
  const starts = [...places.keys()];
  // The server's clock decides where its buckets end; nothing that it told is left out.
  const first = Math.min(Math.floor(start / bucket) * bucket, starts[0] ?? Number.POSITIVE_INFINITY);
  const end = Math.max(now, (starts.at(-1) ?? 0) + 1);
  const times: number[] = [];
  for (let time = first; time < end; time += bucket) times.push(time);
  // One that has just begun is no gap: nobody can have told of it yet.
  const last = times.at(-1);
  if (last !== undefined && !places.has(last) && now - last < LEAST) times.pop();
  return { times, places: times.map((time) => places.get(time)), bucket, now };
}

/** How much of a bucket is over, in seconds: a rate is a count over it. */
export function lengthOf({ times, bucket, now }: Grid, i: number): number {
  return Math.min(bucket, Math.max(LEAST, now - times[i]!));
}

/** Whether a bucket goes on: its figures are not whole. */
export const isOpen = ({ times, bucket, now }: Grid, i: number): boolean => times[i]! + bucket > now;

/** Rows of a table, the newest first; gaps beside each other are one. `index`: of a bucket with figures; undefined: a gap. */
export interface GridRow {
  readonly from: number;
  /** In seconds since 1970, as `from`. */
  readonly until: number;
  readonly index: number | undefined;
}

export function rowsOf({ times, places, bucket }: Grid): GridRow[] {
  const rows: GridRow[] = [];
  for (let i = times.length - 1; i >= 0; i--) {
    const from = times[i]!;
    const later = rows.at(-1);
    const isGap = places[i] === undefined;
    if (isGap && later && later.index === undefined) rows[rows.length - 1] = { ...later, from };
    else rows.push({ from, until: from + bucket, index: isGap ? undefined : i });
  }
  return rows;
}
