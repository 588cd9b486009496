import type { Kafka, Admin as KafkaAdmin } from 'kafkajs';
import { protocolErrorType } from '../../kafkajs/protocol-error.ts';
import type { Clock } from '../../runtime/clock.ts';
import { DeadlineError, withDeadline } from '../../runtime/deadline.ts';
import { messageOf } from '../../runtime/logger.ts';
import { BusError, type BusErrorReason, type OffsetRange, type Position, type Replicas } from '../bus.ts';
import { parseMetadata } from '../offset-metadata.ts';
import type { Bounds, Retention, Topic } from '../topics.ts';
import { keepBounds, keepRetention } from './bounds.ts';
import type { KafkaConfig } from './client.ts';
import { offsetsOfTopics } from './many-offsets.ts';
import { keepReplicas } from './replicas.ts';

const DEADLINE = 15_000;
const YOUNG_TOPIC_PAUSE = 50;
/** What a node says of a partition that it does not lead yet, or any more. */
const CHANGING: ReadonlySet<string> = new Set(['NOT_LEADER_FOR_PARTITION', 'LEADER_NOT_AVAILABLE']);
const YOUNG_TOPIC_PATIENCE = 3000;

/**
 * Administrative calls, each on a connection of its own: a kafkajs admin keeps asking for the metadata of every topic it
 * has seen, and a deleted one would fail all later calls.
 */
export class Admin {
  readonly #kafka: Kafka;
  readonly #clock: Clock;
  readonly #replication: number;
  readonly #minInsync: number;

  constructor(
    kafka: Kafka,
    clock: Clock,
    { replication, minInsyncReplicas = 0 }: Pick<KafkaConfig, 'replication' | 'minInsyncReplicas'>,
  ) {
    this.#kafka = kafka;
    this.#clock = clock;
    this.#replication = replication;
    this.#minInsync = minInsyncReplicas;
  }

  async createTopics(topics: readonly Topic[]): Promise<void> {
    await this.#call('creating topics', async (admin) => {
      const existing = new Set(await admin.listTopics());
      const missing = topics.filter(({ name }) => !existing.has(name));
      const present = topics.filter(({ name }) => existing.has(name));
      const grown = await addPartitions(admin, present);
      if (grown.length > 0) await this.#untilUsable(admin, grown);
      if (missing.length === 0) return;
      try {
        await admin.createTopics({
          waitForLeaders: false, // kafkajs takes a topic that is a moment too young for an error
          timeout: 10_000,
          topics: missing.map(({ name, partitions, config }) => ({
            topic: name,
            numPartitions: partitions,
            replicationFactor: this.#replication,
            configEntries: Object.entries(config).map(([key, value]) => ({ name: key, value })),
          })),
        });
      } catch (error) {
        if (!isAbout(error, 'TOPIC_ALREADY_EXISTS')) throw error; // another node was faster
      }
      await this.#untilUsable(admin, missing);
      if (this.#minInsync > 1) await this.#keepNewReplicas(missing.map(({ name }) => name));
    });
  }

  /** How many replicas the cluster gives by default, only a topic that was made tells. */
  async #keepNewReplicas(names: readonly string[]): Promise<void> {
    const deadline = this.#clock.monotonic() + YOUNG_TOPIC_PATIENCE;
    while (this.#clock.monotonic() < deadline) {
      try {
        const { replicas } = await keepReplicas(this.#kafka, names, this.#minInsync);
        if (replicas.size === names.length) return;
      } catch {
        // Should it last, whoever looks after all topics says why.
      }
      // The node that was asked has not heard of all of them yet.
      await this.#clock.sleep(YOUNG_TOPIC_PAUSE);
    }
  }

  keepReplicas(topics: readonly string[]): Promise<Replicas> {
    return this.#call('looking at the replicas of topics', () =>
      keepReplicas(this.#kafka, topics, this.#minInsync),
    );
  }

  keepBounds(topics: readonly string[], bounds: Bounds): Promise<void> {
    return this.#call('bounding topics', () => keepBounds(this.#kafka, topics, bounds));
  }

  keepRetention(topics: readonly string[], retention: Retention): Promise<void> {
    return this.#call('setting how long topics are kept', () =>
      keepRetention(this.#kafka, topics, retention),
    );
  }

  /** Waits until every partition is there, and has a leader; the deadline is that of the whole call. */
  async #untilUsable(admin: KafkaAdmin, topics: readonly Topic[]): Promise<void> {
    const deadline = this.#clock.monotonic() + DEADLINE;
    for (;;) {
      try {
        const metadata = await admin.fetchTopicMetadata({ topics: topics.map(({ name }) => name) });
        const led = new Map(
          metadata.topics.map(({ name, partitions }) => [
            name,
            partitions.every(({ leader }) => leader >= 0) ? partitions.length : 0,
          ]),
        );
        if (topics.every(({ name, partitions }) => (led.get(name) ?? 0) >= partitions)) return;
      } catch (error) {
        if (protocolErrorType(error) !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error;
      }
      if (this.#clock.monotonic() > deadline) return;
      await this.#clock.sleep(YOUNG_TOPIC_PAUSE);
    }
  }

  async deleteTopics(names: readonly string[]): Promise<void> {
    await this.#call('deleting topics', async (admin) => {
      const existing = new Set(await admin.listTopics());
      const there = names.filter((name) => existing.has(name));
      if (there.length === 0) return;
      try {
        await admin.deleteTopics({ topics: there, timeout: 10_000 });
      } catch (error) {
        if (protocolErrorType(error) !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error;
      }
      await this.#untilGone(admin, there);
    });
  }

  /** Waits until brokers have heard of it: creating a topic of the same name would find it there. */
  async #untilGone(admin: KafkaAdmin, names: readonly string[]): Promise<void> {
    const deadline = this.#clock.monotonic() + DEADLINE;
    while (this.#clock.monotonic() < deadline) {
      const existing = await admin.listTopics();
      if (!names.some((name) => existing.includes(name))) return;
      await this.#clock.sleep(YOUNG_TOPIC_PAUSE);
    }
  }

  listTopics(): Promise<readonly string[]> {
    return this.#call('listing topics', (admin) => admin.listTopics());
  }

  offsets(topic: string): Promise<ReadonlyMap<number, OffsetRange>> {
    return this.#ofLeaders(`reading the offsets of ${topic}`, (admin) => offsetsOf(admin, topic));
  }

  offsetsOfTopics(topics: readonly string[]): ReturnType<typeof offsetsOfTopics> {
    return this.#call('reading the offsets of topics', () => offsetsOfTopics(this.#kafka, topics));
  }

  offsetsAt(topic: string, time: number): Promise<ReadonlyMap<number, number>> {
    return this.#ofLeaders(`reading the offsets of ${topic} by time`, async (admin) => {
      // A negative time has a meaning of its own to Kafka.
      const offsets = await admin.fetchTopicOffsetsByTimestamp(topic, Math.max(0, time));
      return new Map(offsets.map(({ partition, offset }) => [partition, Number(offset)]));
    });
  }

  async deleteRecords(topic: string, before: ReadonlyMap<number, number>): Promise<void> {
    await this.#ofLeaders(`deleting records of ${topic}`, async (admin) => {
      const offsets = await offsetsOf(admin, topic); // kafkajs needs the topic's leaders
      const partitions = [...before]
        .filter(([partition, offset]) => offset > (offsets.get(partition)?.start ?? offset))
        .map(([partition, offset]) => ({ partition, offset: String(offset) }));
      if (partitions.length > 0) await admin.deleteTopicRecords({ topic, partitions });
    });
  }

  committed(groupId: string, topic: string): Promise<ReadonlyMap<number, Position>> {
    return this.#call(`reading the commits of ${groupId}`, async (admin) => {
      const [found] = await admin.fetchOffsets({ groupId, topics: [topic] });
      const positions = (found?.partitions ?? []).map(({ partition, offset, metadata }) => {
        const { ahead } = parseMetadata(metadata, Number(offset));
        return [partition, { offset: Number(offset), ...(ahead && { ahead }) }] as const;
      });
      return new Map(positions.filter(([, { offset }]) => offset >= 0));
    });
  }

  /** What only the leaders of partitions can do: again, with what is known then, while one of them changes. */
  async #ofLeaders<T>(what: string, work: (admin: KafkaAdmin) => Promise<T>): Promise<T> {
    const deadline = this.#clock.monotonic() + DEADLINE;
    for (;;) {
      try {
        return await this.#call(what, work);
      } catch (error) {
        const isChanging = CHANGING.has(protocolErrorType(error) ?? '');
        if (!isChanging || this.#clock.monotonic() > deadline) throw error;
      }
      await this.#clock.sleep(YOUNG_TOPIC_PAUSE);
    }
  }

  async #call<T>(what: string, work: (admin: KafkaAdmin) => Promise<T>): Promise<T> {
    const admin = this.#kafka.admin();
    try {
      return await withDeadline(
        this.#clock,
        DEADLINE,
        what,
        admin.connect().then(() => work(admin)),
      );
    } catch (error) {
      throw new BusError(reasonOf(error), `${what}: ${messageOf(error)}`, { cause: error });
    } finally {
      await admin.disconnect().catch(() => {});
    }
  }
}

/** Lets those grow that have fewer partitions than they should, and answers which; none shrinks. */
async function addPartitions(admin: KafkaAdmin, topics: readonly Topic[]): Promise<readonly Topic[]> {
  if (topics.length === 0) return [];
  const metadata = await admin.fetchTopicMetadata({ topics: topics.map(({ name }) => name) });
  const counts = new Map(metadata.topics.map(({ name, partitions }) => [name, partitions.length]));
  const small = topics.filter(({ name, partitions }) => (counts.get(name) ?? partitions) < partitions);
  const topicPartitions = small.map(({ name, partitions }) => ({ topic: name, count: partitions }));
  if (topicPartitions.length > 0) await admin.createPartitions({ topicPartitions, timeout: 10_000 });
  return small;
}

async function offsetsOf(admin: KafkaAdmin, topic: string): Promise<ReadonlyMap<number, OffsetRange>> {
  const offsets = await admin.fetchTopicOffsets(topic);
  return new Map(
    offsets.map(({ partition, low, high }) => [partition, { start: Number(low), end: Number(high) }]),
  );
}

function reasonOf(error: unknown): BusErrorReason {
  if (error instanceof DeadlineError) return 'timeout';
  return protocolErrorType(error) === 'UNKNOWN_TOPIC_OR_PARTITION' ? 'unknown-topic' : 'failed';
}

/** Whether every part of an error of several topics is of this type. */
function isAbout(error: unknown, type: string): boolean {
  if (error instanceof Error && 'errors' in error && Array.isArray(error.errors)) {
    return error.errors.every((one) => protocolErrorType(one) === type);
  }
  return protocolErrorType(error) === type;
}
