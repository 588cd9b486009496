import type { Claim, CommittedOffset, Membership } from '../../bus/bus.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';

const POLL = 200;
/** An executor that has not let go by then has died, or has long been without its lease. */
const PATIENCE = 15_000;

/** The part of a message topic that one executor delivers. */
export interface Share {
  readonly topic: string;
  readonly shard: number;
  readonly shards: number;
  /** Names who works on the offsets. */
  readonly tag: string;
}

interface Deps {
  readonly membership: Membership;
  readonly claim: Claim;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Answers where to go on, once nobody else works on these partitions. Who has a shard's record is alone with it; but when
 * an integration is spread over more or fewer executors than before, or its type was changed, a partition goes from one
 * shard to another. So the offsets carry a tag that names how it is spread; who stops takes the tag away.
 */
export async function takeOver(
  { topic, tag }: Share,
  partitions: readonly number[],
  { membership, claim, clock, logger }: Deps,
  signal: AbortSignal,
): Promise<readonly CommittedOffset[]> {
  const wanted = partitions.map((partition) => ({ topic, partition }));
  const begin = clock.monotonic();
  for (;;) {
    const found = await membership.committed(wanted);
    const busy = found.filter((one) => one.tag !== '' && one.tag !== tag);
    const isLate = clock.monotonic() - begin >= PATIENCE;
    if (busy.length === 0 || isLate) {
      if (isLate)
        logger.warn('took partitions over that nobody has let go of', { topic, was: busy[0]?.tag ?? '' });
      const offsets = wanted.map((one) => ({
        ...one,
        tag,
        offset: found.find(({ partition }) => partition === one.partition)?.offset ?? 0,
      }));
      signal.throwIfAborted();
      await claim.commit(offsets);
      return offsets;
    }
    await clock.sleep(POLL, signal);
  }
}
