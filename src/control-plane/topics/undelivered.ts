import { type Bus, BusError, type OffsetRange, type Position } from '../../bus/bus.ts';
import type { Topics } from '../../bus/topics.ts';

/**
 * How many messages are in an integration's topic that are not settled: from the committed offset, or the beginning where
 * none is committed, to the end, without those that are settled ahead. Undefined: there is no such topic.
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
    for (const [partition, range] of offsets) messages += unsettled(range, committed.get(partition));
    return BigInt(messages);
  } catch (error) {
    if (error instanceof BusError && error.reason === 'unknown-topic') return undefined;
    throw error;
  }
}

function unsettled({ start, end }: OffsetRange, position: Position = { offset: start }): number {
  const first = Math.max(start, position.offset);
  const inside = (position.ahead?.ranges ?? []).map((one) =>
    Math.max(0, Math.min(end, one.end) - Math.max(first, one.start)),
  );
  return Math.max(0, end - first) - inside.reduce((sum, count) => sum + count, 0);
}
