import type { Bus } from '../../bus/bus.ts';

/** How many messages these partitions of a topic have beyond what the group has committed. */
export async function backlogOf(
  bus: Pick<Bus, 'offsets' | 'committed'>,
  topic: string,
  groupId: string,
  partitions: ReadonlySet<number>,
): Promise<number> {
  const [offsets, committed] = await Promise.all([bus.offsets(topic), bus.committed(groupId, topic)]);
  let backlog = 0;
  for (const partition of partitions) {
    const { start = 0, end = 0 } = offsets.get(partition) ?? {};
    backlog += Math.max(0, end - Math.max(start, committed.get(partition) ?? start));
  }
  return backlog;
}
