import { invalidArgument } from '../../rpc/error.ts';
import { finestAt } from '../store/resolutions.ts';
import type { Window } from '../store/statistics-history.ts';

const DEFAULT_BUCKETS = 300;
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const WIDTHS = [
  ...[1, 2, 3, 5, 10, 20, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 4, 6, 12].map((n) => n * HOUR),
];

/** What is asked for. Times in seconds since 1970; undefined: not told. */
export interface AskedWindow {
  readonly start: number | undefined;
  readonly end: number | undefined;
  /** 0: as many as is usual. */
  readonly maxBuckets: number;
}

/**
 * The buckets to answer with: as narrow as may be, where each has all of every row that is stored of its time.
 * @param now in seconds since 1970
 * @param kept for how many seconds figures are kept: of before there are no buckets
 * @throws RpcError INVALID_ARGUMENT when it does not begin before it ends, and before now
 */
export function windowOf(asked: AskedWindow, now: number, kept: number): Window {
  const until = Math.min(asked.end ?? now, now);
  const from = asked.start ?? until - HOUR;
  if (from >= until) {
    const description = `must be before end_time, and before now (${new Date(now * 1000).toISOString()})`;
    throw invalidArgument([{ field: 'start_time', description, reason: 'TIME_ORDER' }]);
  }
  const start = Math.min(Math.max(from, now - kept), until);
  const most = asked.maxBuckets || DEFAULT_BUCKETS;
  const unit = finestAt(now - start);
  for (let i = 0; ; i++) {
    const width = WIDTHS[i] ?? DAY * 2 ** (i - WIDTHS.length);
    const first = Math.floor(start / width) * width;
    const end = Math.ceil(until / width) * width;
    if (width % unit === 0 && (end - first) / width <= most) return { start: first, end, width };
  }
}
