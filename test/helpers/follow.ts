import type { Bus, IncomingRecord } from '../../src/bus/bus.ts';
import { feedFromStart } from '../../src/bus/feed-from-start.ts';

/** Everything in topics, and what comes to them, until it is disposed. Resolves when they were read to their ends. */
export async function follow(
  bus: Bus,
  topics: readonly string[],
  onRecord: (record: IncomingRecord) => void,
): Promise<Disposable> {
  const feeds = new DisposableStack();
  const read: Promise<void>[] = [];
  for (const topic of topics) {
    for (const partition of await bus.partitions(topic)) {
      read.push(feeds.use(feedFromStart(bus, { topic, partition }, onRecord)).caughtUp);
    }
  }
  await Promise.all(read);
  return feeds;
}
