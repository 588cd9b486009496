import type { Kafka, Consumer as KafkaConsumer } from 'kafkajs';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import type { Consumer, Follower, FollowOptions, RecordBatch, TopicPartition } from '../bus.ts';
import type { Admin } from './admin.ts';
import { type ConsumerDeps, consume } from './consumer.ts';
import { watchFetches } from './fetches.ts';

interface Partition extends TopicPartition {
  /** The offset of the next record. */
  position: number;
  /** The end offset when it was gained. Unset: not read yet. */
  end?: number;
  leader?: number;
  restored: boolean;
  /** Fetches from its leader, since `end` was read, that brought nothing. */
  emptyFetches: number;
}

/** Follows compacted topics; see `Bus.follow`. */
export async function follow(
  kafka: Kafka,
  admin: Admin,
  options: FollowOptions,
  deps: ConsumerDeps,
): Promise<Follower> {
  const follower = new TopicFollower(admin, options, deps.logger);
  const { groupId, topics, maxWait, signal } = options;
  const consumer = await consume(
    kafka,
    {
      groupId,
      topics,
      maxWait,
      ...(signal ? { signal } : {}),
      eachBatch: (batch) => follower.eachBatch(batch),
      onAssigned: (partitions) => follower.assigned(partitions),
    },
    deps,
    (client) => follower.watch(client),
  );
  follower.consumer = consumer;
  return follower;
}

/**
 * Restoring ends by position: when the position reaches the end offset read at the start. Compaction can take away the
 * last records, and then no fetch ever moves the position there; two fetches in a row that bring nothing end it too.
 */
class TopicFollower implements Follower {
  readonly restored: Promise<void>;
  consumer: Consumer | undefined;
  readonly #admin: Admin;
  readonly #options: FollowOptions;
  readonly #logger: Logger;
  readonly #allRestored = Promise.withResolvers<void>();
  #partitions = new Map<string, Partition>();
  #client: KafkaConsumer | undefined;
  #assignment = 0;

  constructor(admin: Admin, options: FollowOptions, logger: Logger) {
    this.#admin = admin;
    this.#options = options;
    this.#logger = logger;
    this.restored = this.#allRestored.promise;
    this.restored.catch(() => {}); // whoever waits for it sees the error
  }

  assigned(now: readonly TopicPartition[]): void {
    const before = this.#partitions;
    this.#partitions = new Map(
      now.map((partition) => {
        const key = keyOf(partition);
        return [key, before.get(key) ?? { ...partition, position: 0, restored: false, emptyFetches: 0 }];
      }),
    );
    for (const [key, partition] of before) {
      if (!this.#partitions.has(key)) this.#options.onLost?.(partition);
    }
    for (const partition of this.#partitions.values()) {
      // Nothing is committed, so a rejoin begins at the beginning: what is kept goes on where it was.
      if (partition.position > 0) this.#seek(partition);
    }
    void this.#readEnds(++this.#assignment);
  }

  async #readEnds(assignment: number): Promise<void> {
    const wanted = [...this.#partitions.values()].filter(({ end }) => end === undefined);
    for (const topic of new Set(wanted.map((partition) => partition.topic))) {
      try {
        const ends = await this.#admin.ends(topic);
        if (assignment !== this.#assignment) return;
        for (const partition of wanted.filter((one) => one.topic === topic)) {
          const found = ends.get(partition.partition);
          partition.end = found?.end ?? 0;
          if (found) partition.leader = found.leader;
          if (found && found.start === found.end)
            partition.position = Math.max(partition.position, found.end);
        }
      } catch (error) {
        this.#logger.warn('cannot read the end of a topic, trying again', { topic, error: messageOf(error) });
        await this.#admin.pause();
        if (assignment === this.#assignment) void this.#readEnds(assignment);
        return;
      }
    }
    this.#checkRestored();
  }

  async eachBatch(batch: RecordBatch): Promise<void> {
    for (const record of batch.records) {
      if (!batch.isRunning()) return;
      this.#options.onRecord(record);
      batch.takenIn(record.offset);
    }
  }

  watch(client: KafkaConsumer): void {
    this.#client = client;
    watchFetches(client, {
      nothingFrom: (node) => this.#nothingFrom(node),
      passed: (passed, position) => {
        const partition = this.#partitions.get(keyOf(passed));
        if (!partition) return;
        partition.position = Math.max(partition.position, position);
        partition.emptyFetches = 0;
        this.#checkRestored();
      },
    });
  }

  #nothingFrom(node: number): void {
    for (const partition of this.#partitions.values()) {
      if (partition.restored || partition.end === undefined || partition.leader !== node) continue;
      if (++partition.emptyFetches < 2) continue;
      partition.position = partition.end;
      // kafkajs would fetch an emptied batch at the end again and again.
      this.#seek(partition);
    }
    this.#checkRestored();
  }

  #seek({ topic, partition, position }: Partition): void {
    this.#client?.seek({ topic, partition, offset: String(position) });
  }

  #checkRestored(): void {
    const all = [...this.#partitions.values()];
    for (const partition of all) {
      if (partition.restored || partition.end === undefined || partition.position < partition.end) continue;
      partition.restored = true;
      this.#options.onRestored?.(partition);
    }
    if (all.every(({ restored }) => restored)) this.#allRestored.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#assignment++;
    this.#allRestored.reject(new Error('closed before everything was restored'));
    await this.consumer?.[Symbol.asyncDispose]();
  }
}

const keyOf = ({ topic, partition }: TopicPartition) => `${topic}/${partition}`;
