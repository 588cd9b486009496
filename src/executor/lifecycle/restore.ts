import type { Bus, Follower, IncomingRecord, TopicPartition } from '../../bus/bus.ts';
import { decoder } from '../../bus/codec.ts';
import type { Topics } from '../../bus/topics.ts';
import type { Type } from '../../contract/integration-type.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { Manager, Wish } from './manager.ts';

/** Longest wait of a fetch of configuration; a change is answered at once all the same. */
const MAX_WAIT = 500;

interface Deps {
  readonly bus: Bus;
  readonly topics: Topics;
  readonly manager: Manager;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** A partition of a downlink topic that this executor owns. */
interface Owned {
  readonly keys: Set<string>;
  /** The newest wish of each key while the partition is read; undefined once it is restored. */
  pending: Map<string, Wish | undefined> | undefined;
}

/**
 * Follows the downlink topic of a type: what a gained partition holds starts only when it was read to its end, what a lost
 * one holds is stopped.
 */
export function followDownlink(type: Type, deps: Deps, signal: AbortSignal): Promise<Follower> {
  const { bus, topics, manager } = deps;
  const topic = topics.downlink(type);
  const decode = decoder(topic.schema, deps);
  const partitions = new Map<number, Owned>();

  const owned = (partition: number): Owned => {
    const known = partitions.get(partition);
    if (known) return known;
    const gained: Owned = { keys: new Set(), pending: new Map() };
    partitions.set(partition, gained);
    return gained;
  };
  const onRecord = (record: IncomingRecord) => {
    const { key } = record;
    const wish = record.value === null ? undefined : decode(record);
    if (key === null || (record.value !== null && !wish?.integration)) return; // counted by the decoder
    const { keys, pending } = owned(record.partition);
    keys.add(key);
    const wanted = wish?.integration && { integration: wish.integration, shard: wish.shard };
    if (pending) pending.set(key, wanted);
    else manager.want(key, wanted);
  };
  const onRestored = ({ partition }: TopicPartition) => {
    const { pending } = owned(partition);
    owned(partition).pending = undefined;
    for (const [key, wish] of pending ?? []) manager.want(key, wish);
  };
  const onLost = ({ partition }: TopicPartition) => {
    for (const key of partitions.get(partition)?.keys ?? []) manager.want(key, undefined);
    partitions.delete(partition);
  };
  return bus.follow({
    groupId: topics.group(`executor.downlink.${type}`),
    topics: [topic.name],
    maxWait: MAX_WAIT,
    signal,
    onRecord,
    onRestored,
    onLost,
  });
}
