import type { Bus, Claim, CommittedOffset } from '../../src/bus/bus.ts';
import type { Topics } from '../../src/bus/topics.ts';

/** Commits for the executors, as one of them would, and leaves. */
export async function commitForExecutors(
  { bus, topics }: { readonly bus: Bus; readonly topics: Topics },
  offsets: readonly Omit<CommittedOffset, 'tag'>[],
): Promise<void> {
  await bus.createTopics([topics.downlink('http')]);
  const gained = Promise.withResolvers<Claim>();
  await using membership = bus.join({
    groupId: topics.executors,
    topics: [topics.downlink('http').name],
    onGained: gained.resolve,
    async onLost() {},
  });
  await membership.joined;
  const claim = await gained.promise;
  await claim.commit(offsets.map((one) => ({ ...one, tag: '' })));
}
