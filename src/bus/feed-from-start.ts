import type { Bus, IncomingRecord, TopicPartition } from './bus.ts';

/**
 * Feeds all of a partition of a compacted topic, and what comes to it. `caughtUp` resolves when the position has reached the
 * end that it had at first: by position, for compaction may have taken away the last records, or all of them.
 */
export function feedFromStart(
  bus: Pick<Bus, 'feed'>,
  { topic, partition }: TopicPartition,
  take: (record: IncomingRecord) => void,
): Disposable & { readonly caughtUp: Promise<void> } {
  const { promise: caughtUp, resolve } = Promise.withResolvers<void>();
  let firstEnd: number | undefined;
  const feed = bus.feed({
    topic,
    partition,
    from: 0,
    isCompacted: true,
    take(record) {
      take(record);
      return true;
    },
    onPosition(position, end) {
      firstEnd ??= end;
      if (position >= firstEnd) resolve();
    },
  });
  return { caughtUp, [Symbol.dispose]: () => feed[Symbol.dispose]() };
}
