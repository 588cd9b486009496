import { BusError, type Claim, type CommittedOffset, type Membership, type Position } from '../../bus/bus.ts';
import type { Clock } from '../../runtime/clock.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import { ownerOf, type Share, tagOf } from './share.ts';

const POLL = 200;
/** Who holds partitions for so long is reported; what is tagged without a member counts as left by then. Milliseconds. */
const PATIENCE = 15_000;
/** The tag of offsets that nobody works on. */
const RELEASED = '';

interface Deps {
  readonly membership: Membership;
  readonly claim: Claim;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Answers where to go on, once nobody else works on these partitions. Who has a shard's record is alone with it; but when
 * an integration is spread over more or fewer executors than before, or its type was changed, a partition goes from one
 * shard to another. So the offsets carry a tag that names how it is spread, and which member of the group works on them;
 * who stops takes the tag away. Of one that did not, the tag counts no more when the group has lost it: then its lease has
 * ended. Rejects when one that lives does not let go.
 */
export async function untilFree(
  { topic, spread }: Share,
  partitions: readonly number[],
  { membership, clock, logger }: Omit<Deps, 'claim'>,
  signal: AbortSignal,
): Promise<readonly Omit<CommittedOffset, 'tag'>[]> {
  const wanted = partitions.map((partition) => ({ topic, partition }));
  const begin = clock.monotonic();
  /** Members that are no more. What is read after one was found gone shows whether another has taken over since. */
  const gone = new Set<string>();
  for (;;) {
    const found = await membership.committed(wanted);
    signal.throwIfAborted();
    const isLate = clock.monotonic() - begin >= PATIENCE;
    const owners = found.filter(({ tag }) => tag !== RELEASED).map(({ tag }) => ownerOf(tag));
    const busy = owners.filter((one) => one.spread !== spread && !gone.has(one.member ?? ''));
    const named = busy.flatMap(({ member }) => member ?? []);
    if (named.length === 0 && (busy.length === 0 || isLate)) {
      if (busy.length > 0) logger.warn('took partitions over that nobody has let go of', { topic });
      const left = new Map(found.map(({ tag: _, ...one }) => [one.partition, one]));
      return wanted.map((one) => left.get(one.partition) ?? { ...one, offset: 0 });
    }
    const members = named.length > 0 ? await membership.members() : undefined;
    const lost = named.filter((member) => !members?.has(member));
    for (const member of lost) gone.add(member);
    if (lost.length > 0) continue;
    if (isLate) throw new Error(`${named[0]} has not let go of partitions of ${topic} yet`);
    await clock.sleep(POLL, signal);
  }
}

/**
 * Commits a last time, and takes the tag away: others wait for that as long as this member lives, so it is tried for as
 * long as the claim lasts, or until the process leaves the group. Where it is not sure that the tag is there, or is still
 * this member's, that is looked at first.
 */
export async function letGo(
  share: Share,
  positions: ReadonlyMap<number, Position>,
  { membership, claim, clock, logger }: Deps,
  { isSure, leaving }: { isSure(partition: number): boolean; readonly leaving: AbortSignal },
): Promise<void> {
  const { topic } = share;
  const tag = tagOf(share, claim);
  const all = [...positions].map(([partition, one]) => ({ topic, partition, ...one, tag: RELEASED }));
  for (let unsure = all.filter((one) => !isSure(one.partition)); ; unsure = all) {
    try {
      const found = unsure.length > 0 ? await membership.committed(unsure) : [];
      const isMine = ({ partition }: CommittedOffset) =>
        found.some((one) => one.partition === partition && one.tag === tag);
      const left = all.filter((one) => !unsure.includes(one) || isMine(one));
      if (left.length > 0) await claim.commit(left);
      return;
    } catch (error) {
      const isHopeless = error instanceof BusError && error.reason === 'unknown-topic';
      if (isHopeless || claim.isOver || leaving.aborted) {
        const why = messageOf(error);
        logger.warn('what was settled last is not committed, and comes again', { topic, error: why });
        return;
      }
      logger.debug('partitions are not let go of yet', { topic, error: messageOf(error) });
    }
    await clock.sleep(POLL, leaving).catch(() => {});
  }
}
