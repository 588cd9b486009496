import { type Bus, BusError } from '../bus/bus.ts';
import type { Topics } from '../bus/topics.ts';

/**
 * How many messages are in an integration's topic that are not settled: from the committed offset, or the beginning where
 * none is committed, to the end. Undefined: there is no such topic.
 */
export async function undeliveredMessages(
  { bus, topics }: { readonly bus: Pick<Bus, 'offsets' | 'committed'>; readonly topics: Topics },
  integrationId: string,
): Promise<bigint | undefined> {
  const { name } = topics.messages(integrationId);
  try {
    const offsets = await bus.offsets(name);
    const committed = await bus.committed(topics.executors, name);
    let messages = 0;
    for (const [partition, { start, end }] of offsets) {
      messages += Math.max(0, end - Math.max(start, committed.get(partition) ?? start));
    }
    return BigInt(messages);
  } catch (error) {
    if (error instanceof BusError && error.reason === 'unknown-topic') return undefined;
    throw error;
  }
}
