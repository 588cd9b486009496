import type { EachBatchPayload, Kafka, Consumer as KafkaConsumer } from 'kafkajs';
import { backoffPause } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { withDeadline } from '../../runtime/deadline.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import {
  BusError,
  type ConsumeOptions,
  type Consumer,
  type IncomingRecord,
  type TopicPartition,
} from '../bus.ts';

/** Without a heartbeat for so long, Kafka gives a member's partitions to others. */
const SESSION = 6000;
/** For what a heartbeat takes on its way, and for what is begun just before the end. */
const LEASE = SESSION - 2000;
const COMMIT_DEADLINE = 3000;
const STOP_DEADLINE = 2000;
const SLOW_JOIN = 5000;
const RETRY = { initial: 200, max: 2000 };

export interface ConsumerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  random(): number;
}

/** Sees every client that a consumer is made of, also the one that takes the place of a crashed one. */
export type OnClient = (client: KafkaConsumer) => void;

/** Joins the group and consumes until it is disposed; a client that crashed for good is replaced. */
export async function consume(
  kafka: Kafka,
  options: ConsumeOptions,
  deps: ConsumerDeps,
  onClient: OnClient = () => {},
): Promise<Consumer> {
  const consumer = new GroupConsumer(kafka, options, deps, onClient);
  try {
    await consumer.start(options.signal);
  } catch (error) {
    await consumer[Symbol.asyncDispose]();
    throw error;
  }
  return consumer;
}

class GroupConsumer implements Consumer {
  readonly #kafka: Kafka;
  readonly #options: ConsumeOptions;
  readonly #deps: ConsumerDeps;
  readonly #onClient: OnClient;
  readonly #stop = new AbortController();
  #client: KafkaConsumer | undefined;
  #joining: Promise<void> = Promise.resolve();
  #disposed: Promise<void> | undefined;
  /** Commits with the membership of the last batch: kafkajs' own `commitOffsets` would try again as a later member. */
  #commit: EachBatchPayload['commitOffsetsIfNecessary'] | undefined;
  #owned = new Set<string>();
  #lastHeartbeat = Number.NEGATIVE_INFINITY;

  constructor(kafka: Kafka, options: ConsumeOptions, deps: ConsumerDeps, onClient: OnClient) {
    this.#kafka = kafka;
    this.#options = options;
    this.#deps = deps;
    this.#onClient = onClient;
  }

  /** Tries until the group is joined: a topic may not be there yet, Kafka may be away. */
  async start(signal?: AbortSignal): Promise<void> {
    const { clock, logger, random } = this.#deps;
    const { groupId, topics } = this.#options;
    const stop = signal ? AbortSignal.any([this.#stop.signal, signal]) : this.#stop.signal;
    for (let attempt = 1; ; attempt++) {
      stop.throwIfAborted();
      try {
        return await this.#joinUnless(stop);
      } catch (error) {
        stop.throwIfAborted();
        if (attempt === 1) {
          logger.warn('cannot consume yet, trying again', {
            groupId,
            topics: topics.join(),
            error: messageOf(error),
          });
        }
        await clock.sleep(backoffPause(RETRY, attempt, random()), stop);
      }
    }
  }

  /** kafkajs tries to connect without end: a stop does not wait for it, and somebody is to know when it takes long. */
  async #joinUnless(stop: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    const { groupId } = this.#options;
    const { promise: stopped, reject } = Promise.withResolvers<never>();
    const onStop = () => reject(stop.reason);
    stop.addEventListener('abort', onStop, { once: true });
    const cancel = clock.setTimer(() => logger.warn('joining a group takes long', { groupId }), SLOW_JOIN);
    this.#joining = this.#join(stop);
    try {
      await Promise.race([this.#joining, stopped]);
    } finally {
      cancel();
      stop.removeEventListener('abort', onStop);
    }
  }

  async #join(stop: AbortSignal): Promise<void> {
    const { groupId, topics, maxWait } = this.#options;
    const client = this.#kafka.consumer({
      groupId,
      sessionTimeout: SESSION,
      rebalanceTimeout: 10_000,
      heartbeatInterval: 500,
      minBytes: 1,
      maxWaitTimeInMs: maxWait,
      allowAutoTopicCreation: false,
      // A client that restarts by itself does so also after it was disconnected: it is replaced instead.
      retry: { retries: 5, restartOnFailure: async () => false },
    });
    this.#client = client;
    this.#onClient(client);
    client.on(client.events.GROUP_JOIN, ({ payload }) => this.#joined(payload.memberAssignment));
    client.on(client.events.HEARTBEAT, () => this.#heard());
    client.on(client.events.CRASH, ({ payload }) => this.#crashed(payload.error));
    try {
      await client.connect();
      await client.subscribe({ topics: [...topics], fromBeginning: true });
      stop.throwIfAborted();
      await client.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: 12,
        eachBatch: (payload) => this.#eachBatch(payload),
      });
      stop.throwIfAborted(); // joined too late: nobody would leave the group
    } catch (error) {
      await client.disconnect().catch(() => {});
      throw error;
    }
  }

  #joined(assignment: Readonly<Record<string, number[]>>): void {
    if (this.#stop.signal.aborted) return; // it leaves at once
    this.#heard();
    const partitions = Object.entries(assignment).flatMap(([topic, numbers]) =>
      numbers.map((partition): TopicPartition => ({ topic, partition })),
    );
    this.#owned = new Set(partitions.map(keyOf));
    this.#options.onAssigned?.(partitions);
  }

  #heard(): void {
    this.#lastHeartbeat = this.#deps.clock.lease();
  }

  holdsLease(): boolean {
    return this.#deps.clock.lease() - this.#lastHeartbeat < LEASE;
  }

  #crashed(error: Error): void {
    const { clock, logger, random } = this.#deps;
    const stop = this.#stop.signal;
    if (stop.aborted) return;
    const fields = { groupId: this.#options.groupId, error: messageOf(error) };
    logger.warn('a consumer failed and is replaced', fields);
    clock
      .sleep(backoffPause(RETRY, 1, random()), stop)
      .then(() => this.start())
      .catch(() => {}); // rejects only when it is disposed
  }

  async #eachBatch(payload: EachBatchPayload): Promise<void> {
    const { topic, partition, messages, highWatermark } = payload.batch;
    this.#commit = payload.commitOffsetsIfNecessary;
    await this.#options.eachBatch({
      topic,
      partition,
      records: messages.map(
        (message): IncomingRecord => ({
          topic,
          partition,
          offset: Number(message.offset),
          timestamp: Number(message.timestamp),
          key: message.key?.toString() ?? null,
          value: message.value,
        }),
      ),
      endOffset: Number(highWatermark),
      heartbeat: () => payload.heartbeat(),
      takenIn: (offset) => payload.resolveOffset(String(offset)),
      isRunning: () => payload.isRunning() && !payload.isStale(),
    });
  }

  async commit(offsets: readonly (TopicPartition & { readonly offset: number })[]): Promise<void> {
    const lost = offsets.filter((one) => !this.#owned.has(keyOf(one)));
    if (lost.length > 0)
      throw new BusError('failed', `not committed: partition ${lost.map(keyOf).join()} is lost`);
    if (offsets.length === 0) return;
    if (!this.#commit) throw new BusError('failed', 'not committed: nothing was consumed yet');
    const topics = [...Map.groupBy(offsets, ({ topic }) => topic)].map(([topic, ofTopic]) => ({
      topic,
      partitions: ofTopic.map(({ partition, offset }) => ({ partition, offset: String(offset) })),
    }));
    await withDeadline(this.#deps.clock, COMMIT_DEADLINE, 'commit', this.#commit({ topics }));
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #dispose(): Promise<void> {
    this.#stop.abort(new BusError('closed', 'the consumer is closed'));
    const { clock, logger } = this.#deps;
    try {
      await withDeadline(clock, STOP_DEADLINE, 'leaving the group', this.#leave());
    } catch (error) {
      logger.warn('a consumer did not stop in time', {
        groupId: this.#options.groupId,
        error: messageOf(error),
      });
    }
  }

  /** A kafkajs client that is disconnected while it joins joins all the same, and can then not be stopped any more. */
  async #leave(): Promise<void> {
    await this.#joining.catch(() => {});
    await this.#client?.stop();
    this.#client?.disconnect().catch(() => {}); // ends with the fetch that is on its way
  }
}

const keyOf = ({ topic, partition }: TopicPartition) => `${topic}/${partition}`;
