import type { Order } from '../../gen/penstock/v1/delivery_pb.ts';
import { DownlinkRecordSchema } from '../../gen/penstock/v1/downlink_pb.ts';
import type { Integration } from '../../gen/penstock/v1/integration_pb.ts';
import type { Bus, IncomingRecord } from '../bus/bus.ts';
import { decoder } from '../bus/codec.ts';
import { feedFromStart } from '../bus/feed-from-start.ts';
import { GoneGenerations } from '../bus/gone-generations.ts';
import type { Topics } from '../bus/topics.ts';
import { TYPES } from '../contract/integration-type.ts';
import type { Clock } from '../runtime/clock.ts';
import { withDeadline } from '../runtime/deadline.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { TopicFilterTrie } from '../topic-filter/trie.ts';

/** An integration, as far as taking messages in goes. */
export interface Destination {
  /** Its message topic. */
  readonly topic: string;
  readonly order: Order | undefined;
}

interface Known extends Destination {
  readonly generation: bigint;
  readonly filters: readonly string[];
}

/**
 * The topic filters of all integrations, enabled or not: a disabled one goes on receiving. Of each, the newest generation
 * that was seen.
 */
export class Filters {
  readonly #trie = new TopicFilterTrie<Destination>();
  readonly #known = new Map<string, Known>();
  readonly #gone = new GoneGenerations();
  readonly #messageTopic: (id: string) => string;

  constructor(messageTopic: (id: string) => string) {
    this.#messageTopic = messageTopic;
  }

  /** The integrations that want a message with this topic name. */
  match(topicName: string): Set<Destination> {
    return this.#trie.match(topicName);
  }

  /**
   * An integration changed. An older generation than the one known, or than one that was deleted, is ignored. One without a
   * topic is known, but matches nothing: it was disabled for too long.
   */
  put(id: string, integration: Integration, hasTopic = true): void {
    const before = this.#known.get(id);
    if (before !== undefined && integration.generation < before.generation) return;
    if (this.#gone.has(id, integration.generation)) return;
    const known: Known = {
      topic: this.#messageTopic(id),
      order: integration.delivery?.order,
      generation: integration.generation,
      filters: hasTopic ? integration.topicFilters : [],
    };
    this.delete(id);
    this.#known.set(id, known);
    for (const filter of known.filters) this.#trie.add(filter, known);
  }

  /** An integration was deleted, up to this generation, when that is told. */
  delete(id: string, generation?: bigint): void {
    if (generation !== undefined) this.#gone.note(id, generation);
    const known = this.#known.get(id);
    for (const filter of known?.filters ?? []) this.#trie.remove(filter, known!);
    this.#known.delete(id);
  }
}

interface FollowDeps {
  readonly bus: Bus;
  readonly topics: Topics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** From now on messages are matched by this generation of the integration. Not called for what is there at the start. */
  onTaken(id: string, generation: bigint): void;
  /** So many partitions are read, of all that are to be at the start. */
  onRead(read: number, all: number): void;
}

/** How long reading all filters may take at the start, in milliseconds. */
const RESTORE_DEADLINE = 60_000;

/**
 * Follows the downlink topics of all types and keeps the filters current. Resolves once they are complete; rejects with
 * the signal's reason when that aborts before. Disposing stops following.
 */
export async function followFilters(
  deps: FollowDeps,
  signal: AbortSignal,
): Promise<{ readonly filters: Filters } & Disposable> {
  const { bus, topics, clock } = deps;
  const filters = new Filters((id) => topics.messages(id).name);
  const decode = decoder(DownlinkRecordSchema, deps, concernsIngress);
  const downlinks = TYPES.map((type) => topics.downlink(type));
  await bus.createTopics(downlinks); // whoever starts first
  // Types that only a newer version knows have filters like any other.
  const others = (await bus.listTopics()).filter((name) => name.startsWith(topics.downlink('').name));
  let isComplete = false;
  const take = (record: IncomingRecord) => {
    const integration = takeOver(record, filters, decode);
    if (isComplete && integration) deps.onTaken(integration.id, integration.generation);
  };
  const followed = new Set([...downlinks.map(({ name }) => name), ...others]);
  using started = new DisposableStack();
  const feeds = [...followed].flatMap((topic) =>
    Array.from({ length: topics.downlink('').partitions }, (_, partition) =>
      started.use(feedFromStart(bus, { topic, partition }, take)),
    ),
  );
  let count = 0;
  const read = Promise.all(
    feeds.map(({ caughtUp }) => caughtUp.then(() => deps.onRead(++count, feeds.length))),
  );
  deps.onRead(count, feeds.length);
  await withDeadline(clock, RESTORE_DEADLINE, 'reading the topic filters from Kafka', read, signal);
  isComplete = true;
  const disposable = started.move();
  return { filters, [Symbol.dispose]: () => disposable.dispose() };
}

/** Of an integration's fields only the filters: a type or a policy that a newer version wrote is an executor's affair. */
const concernsIngress = (field: string): boolean =>
  !field.startsWith('integration.') || field.startsWith('integration.topic_filters');

/** Answers the integration whose filters are known now. */
function takeOver(
  record: IncomingRecord,
  filters: Filters,
  decode: ReturnType<typeof decoder<typeof DownlinkRecordSchema>>,
): Integration | undefined {
  // Every shard of an integration carries the same; the first one, whose key is the bare id, counts.
  const { key: id } = record;
  if (id === null || id.includes('/')) return undefined;
  if (record.value === null) {
    filters.delete(id);
    return undefined;
  }
  const wish = decode(record);
  if (wish?.gone) filters.delete(id, wish.gone.generation);
  if (wish?.integration) filters.put(id, wish.integration, !wish.withoutTopic);
  return wish?.integration;
}
