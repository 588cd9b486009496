import type { Bus, Claim } from '../../bus/bus.ts';
import type { Clock } from '../../runtime/clock.ts';
import { untilAborted } from '../../runtime/until-aborted.ts';

/** For the partitions of a topic that was just given some. Milliseconds. */
const PAUSE = 200;
const LOOKS = 25;

/** The part of a message topic that one executor delivers. */
export interface Share {
  readonly topic: string;
  readonly shard: number;
  readonly shards: number;
  /** Names how the integration is spread over executors. */
  readonly spread: string;
}

/** Who works on offsets: as what, and as which member of the group. Earlier versions did not say which. */
interface Owner {
  readonly spread: string;
  readonly member: string | undefined;
}

/** The tag of the offsets that a share's owner works on. */
export const tagOf = ({ spread }: Share, { member }: Claim) => `${spread}@${member}`;

export function ownerOf(tag: string): Owner {
  const at = tag.indexOf('@');
  if (at < 0) return { spread: tag, member: undefined };
  return { spread: tag.slice(0, at), member: tag.slice(at + 1) };
}

/** Those of the partitions that belong to a share, also of a topic that has more than there are shares. */
export const shareOf = ({ shard, shards }: Share, partitions: Iterable<number>): readonly number[] =>
  [...partitions].filter((partition) => partition % shards === shard);

/** The topic's partitions. One that is spread wider was given some before: a node of Kafka may not know them yet. */
export async function partitionsOf(
  { topic, shards }: Share,
  { bus, clock }: { readonly bus: Pick<Bus, 'partitions'>; readonly clock: Clock },
  signal: AbortSignal,
): Promise<readonly number[]> {
  for (let looks = 0; looks < LOOKS; looks++) {
    const found = await untilAborted(bus.partitions(topic), signal);
    if (found.length >= shards) return found;
    await clock.sleep(PAUSE, signal);
  }
  throw new Error(`topic ${topic} has fewer partitions than the ${shards} executors of its integration`);
}
