import kafkajs, { type Kafka, type Producer } from 'kafkajs';
import { backoffPause } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { withDeadline } from '../../runtime/deadline.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import { BusError, type OutgoingRecord } from '../bus.ts';
import { MAX_RECORD_BYTES } from '../topics.ts';
import { protocolErrorType } from './client.ts';

/** Records in one batch, at most. */
const BATCH_RECORDS = 1000;
/** Bytes in one batch, at most (a larger record goes alone). */
const BATCH_BYTES = 1_000_000;
/** Bytes waiting, at most: beyond it `send` is refused. */
const QUEUE_BYTES = 67_108_864;
/** From `send` to its end, at most, in milliseconds. */
const SEND_DEADLINE = 30_000;
/** What Kafka adds to a record, roughly. */
const RECORD_OVERHEAD = 100;
/** From the close to its end, at most, in milliseconds. */
const CLOSE_DEADLINE = 3000;
const RETRY = { initial: 100, max: 1000 };

interface Queued {
  readonly topic: string;
  readonly message: Message;
  readonly bytes: number;
  readonly deadline: number;
  resolve(): void;
  reject(error: BusError): void;
}

interface Message {
  readonly key: string | null;
  readonly value: Buffer | null;
  /** Picks the partition of a record without a key: drawn once, so that a retry writes to the same one. */
  readonly spread: number;
}

interface Deps {
  readonly clock: Clock;
  readonly logger: Logger;
  random(): number;
}

/**
 * Collects records into batches and sends one batch at a time: that keeps the order through retries, costs a tenth of
 * single sends, and lets a batch grow while the one before is on its way.
 */
export class BatchingProducer implements AsyncDisposable {
  readonly #kafka: Kafka;
  readonly #deps: Deps;
  #queue: Queued[] = [];
  #queuedBytes = 0;
  #producer: Promise<Producer> | undefined;
  #sending: Promise<void> | undefined;
  #closed = false;

  constructor(kafka: Kafka, deps: Deps) {
    this.#kafka = kafka;
    this.#deps = deps;
  }

  send(topic: string, record: OutgoingRecord): Promise<void> {
    const bytes = (record.key?.length ?? 0) + (record.value?.byteLength ?? 0) + RECORD_OVERHEAD;
    if (this.#closed) return Promise.reject(new BusError('closed', 'the producer is closed'));
    if (bytes > MAX_RECORD_BYTES) {
      return Promise.reject(
        new BusError(
          'too-large',
          `a record of ${bytes} bytes is larger than the ${MAX_RECORD_BYTES} a topic takes`,
        ),
      );
    }
    if (this.#queuedBytes + bytes > QUEUE_BYTES) {
      return Promise.reject(
        new BusError('full', `${QUEUE_BYTES} bytes are waiting for Kafka already; try again later`),
      );
    }
    return new Promise((resolve, reject) => {
      const { key, value } = record;
      const message = {
        key,
        value: value === null ? null : Buffer.from(value.buffer, value.byteOffset, value.byteLength),
        spread: key === null ? this.#deps.random() : 0,
      };
      const deadline = this.#deps.clock.monotonic() + SEND_DEADLINE;
      this.#queue.push({ topic, message, bytes, deadline, resolve, reject });
      this.#queuedBytes += bytes;
      this.#sending ??= this.#drain();
    });
  }

  async #drain(): Promise<void> {
    // What is sent within one turn of the event loop shares a batch.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) await this.#sendBatch(this.#takeBatch());
    this.#sending = undefined;
  }

  #takeBatch(): Queued[] {
    let bytes = 0;
    let count = 0;
    for (const queued of this.#queue) {
      if (count === BATCH_RECORDS || (count > 0 && bytes + queued.bytes > BATCH_BYTES)) break;
      bytes += queued.bytes;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  /** Tries until Kafka has the batch or its first deadline passes; every record of it is settled at the end. */
  async #sendBatch(batch: readonly Queued[]): Promise<void> {
    let left = batch;
    for (let attempt = 1; left.length > 0; attempt++) {
      try {
        await this.#attempt(left);
        for (const queued of left) queued.resolve();
        break;
      } catch (error) {
        left = await this.#withoutHopeless(left, error);
        if (left.length > 0) await this.#deps.clock.sleep(backoffPause(RETRY, attempt, this.#deps.random()));
      }
    }
    for (const { bytes } of batch) this.#queuedBytes -= bytes;
  }

  async #attempt(batch: readonly Queued[]): Promise<void> {
    const byTopic = Map.groupBy(batch, ({ topic }) => topic);
    const topicMessages = [...byTopic].map(([topic, queued]) => ({
      topic,
      messages: queued.map((q) => q.message),
    }));
    const left = batch[0]!.deadline - this.#deps.clock.monotonic();
    let cancel = () => {};
    const late = new Promise<never>((_, reject) => {
      cancel = this.#deps.clock.setTimer(
        () => reject(new BusError('timeout', 'Kafka did not answer in time')),
        left,
      );
    });
    const work = this.#connected().then((producer) => producer.sendBatch({ acks: -1, topicMessages }));
    work.catch(() => {}); // after the deadline nobody waits for its end
    try {
      await Promise.race([work, late]);
    } catch (error) {
      // A send without an end would write behind the next one: this producer is not used again.
      if (error instanceof BusError) this.#discard();
      throw error;
    } finally {
      cancel();
    }
  }

  /** Rejects those that cannot succeed any more; answers the others. */
  async #withoutHopeless(batch: readonly Queued[], error: unknown): Promise<readonly Queued[]> {
    const { clock, logger } = this.#deps;
    logger.warn('Kafka did not take a batch', { records: batch.length, error: messageOf(error) });
    const unknownTopics =
      protocolErrorType(error) === 'UNKNOWN_TOPIC_OR_PARTITION'
        ? await this.#missing(batch)
        : new Set<string>();
    if (unknownTopics.size > 0 || isProducerLost(error)) this.#discard();
    const now = clock.monotonic();
    return batch.filter((queued) => {
      if (unknownTopics.has(queued.topic)) {
        queued.reject(
          new BusError('unknown-topic', `topic ${queued.topic} does not exist`, { cause: error }),
        );
      } else if (this.#closed || now >= queued.deadline) {
        queued.reject(
          new BusError('timeout', `Kafka did not take the record within ${SEND_DEADLINE} ms`, {
            cause: error,
          }),
        );
      } else return true;
      return false;
    });
  }

  async #missing(batch: readonly Queued[]): Promise<Set<string>> {
    const admin = this.#kafka.admin();
    try {
      await admin.connect();
      const existing = new Set(await admin.listTopics());
      return new Set(batch.map(({ topic }) => topic).filter((topic) => !existing.has(topic)));
    } catch {
      return new Set(); // Kafka is away: the next attempt finds out
    } finally {
      await admin.disconnect().catch(() => {});
    }
  }

  #connected(): Promise<Producer> {
    this.#producer ??= (async () => {
      const producer = this.#kafka.producer({
        idempotent: true,
        maxInFlightRequests: 1,
        allowAutoTopicCreation: false,
        createPartitioner: spreadingPartitioner,
      });
      try {
        await producer.connect();
        return producer;
      } catch (error) {
        this.#producer = undefined;
        throw error;
      }
    })();
    return this.#producer;
  }

  /** A deleted topic stays in the metadata that a producer asks for and fails every later request: start afresh. */
  #discard(): void {
    const producer = this.#producer;
    this.#producer = undefined;
    producer?.then((p) => p.disconnect()).catch(() => {});
  }

  /** Gives what is queued a moment to be sent, then disconnects; what is left is rejected. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { clock, logger } = this.#deps;
    const close = async () => {
      while (this.#sending) await this.#sending;
      await this.#producer?.then((producer) => producer.disconnect());
    };
    try {
      await withDeadline(clock, CLOSE_DEADLINE, 'closing the producer', close());
    } catch (error) {
      logger.warn('the producer did not close in order', { error: messageOf(error) });
    }
    this.#closed = true;
  }
}

/** Errors after which an idempotent producer cannot go on. */
function isProducerLost(error: unknown): boolean {
  const type = protocolErrorType(error);
  return (
    type !== undefined &&
    [
      'OUT_OF_ORDER_SEQUENCE_NUMBER',
      'UNKNOWN_PRODUCER_ID',
      'INVALID_PRODUCER_EPOCH',
      'INVALID_PRODUCER_ID_MAPPING',
    ].includes(type)
  );
}

/** As the Java client for records with a key; without one by the number drawn for the record. */
const spreadingPartitioner: typeof kafkajs.Partitioners.DefaultPartitioner = () => {
  const byKey = kafkajs.Partitioners.DefaultPartitioner();
  return (args) =>
    args.message.key === null || args.message.key === undefined
      ? Math.floor((args.message as unknown as Message).spread * args.partitionMetadata.length)
      : byKey(args);
};
