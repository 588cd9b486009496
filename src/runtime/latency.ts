/** What deliveries are sorted by that took at most so long, in seconds. They never change: what is stored is counted by them. */
export const LATENCY_BOUNDS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600,
];

/** Those, and one for what takes longer than all bounds. */
export const LATENCY_BUCKETS = LATENCY_BOUNDS.length + 1;

/** Which count a delivery belongs to that took so many seconds: that of the first bound which it did not exceed. */
export function latencyBucket(seconds: number): number {
  let bucket = 0;
  while (bucket < LATENCY_BOUNDS.length && seconds > LATENCY_BOUNDS[bucket]!) bucket++;
  return bucket;
}

/**
 * What a share of the deliveries took at most, in seconds, estimated as Prometheus does: within a bucket they are taken to be
 * spread evenly, and what is longer than all bounds is told as the last bound. Undefined: there are none.
 * @param counts of each bucket; trailing zeros may be missing
 * @param share from 0 to 1
 * @param bounds of the buckets, in seconds
 */
export function latencyQuantile(
  counts: readonly number[],
  share: number,
  bounds = LATENCY_BOUNDS,
): number | undefined {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return undefined;
  let before = 0;
  for (const [bucket, upper] of bounds.entries()) {
    const count = counts[bucket] ?? 0;
    const lower = bucket === 0 ? 0 : bounds[bucket - 1]!;
    if (count > 0 && before + count >= share * total)
      return lower + (upper - lower) * Math.max(0, (share * total - before) / count);
    before += count;
  }
  return bounds.at(-1);
}
