import type { Kafka } from 'kafkajs';
import { protocolErrorType } from '../../kafkajs/protocol-error.ts';
import { backoffPause } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { withDeadline } from '../../runtime/deadline.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import { BusError, type OutgoingRecord } from '../bus.ts';
import { MAX_RECORD_BYTES } from '../topics.ts';
import { IdempotentProducer } from './idempotent-producer.ts';
import type { Message } from './partitioner.ts';

/** Records in one batch, at most. */
const BATCH_RECORDS = 1000;
/** Bytes in one batch, at most (a larger record goes alone). */
const BATCH_BYTES = 1_000_000;
/** Bytes waiting, at most: beyond it `send` is refused. */
const QUEUE_BYTES = 67_108_864;
/** From `send` to its last attempt, at most, in milliseconds. */
const SEND_DEADLINE = 20_000;
/** What Kafka adds to a record, roughly. */
const RECORD_OVERHEAD = 100;
/** From the close to its end, at most, in milliseconds. */
const CLOSE_DEADLINE = 2000;
const RETRY = { initial: 100, max: 1000 };

interface Queued {
  readonly topic: string;
  readonly message: Message;
  readonly bytes: number;
  readonly deadline: number;
  /** Ends it: without an error Kafka has the record. */
  settle(error?: BusError): void;
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
  readonly #producer: IdempotentProducer;
  #queue: Queued[] = [];
  #queuedBytes = 0;
  #sending: Promise<void> | undefined;
  #closed = false;

  constructor(kafka: Kafka, deps: Deps) {
    this.#kafka = kafka;
    this.#deps = deps;
    this.#producer = new IdempotentProducer(kafka, deps.clock);
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
      const settle = (error?: BusError) => {
        this.#queuedBytes -= bytes;
        if (error) reject(error);
        else resolve();
      };
      this.#queue.push({ topic, message, bytes, deadline, settle });
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

  /** Tries until Kafka has the batch or its records have passed their deadlines; each of them is settled at the end. */
  async #sendBatch(batch: readonly Queued[]): Promise<void> {
    const { clock, logger, random } = this.#deps;
    let left = this.#inTime(batch);
    for (let attempt = 1; left.length > 0; attempt++) {
      try {
        await this.#attempt(left);
        for (const queued of left) queued.settle();
        return;
      } catch (error) {
        logger.warn('Kafka did not take a batch', { records: left.length, error: messageOf(error) });
        if (protocolErrorType(error) === 'MESSAGE_TOO_LARGE') {
          await this.#sendApart(left, error);
          return;
        }
        await clock.sleep(backoffPause(RETRY, attempt, random()));
        const rest = this.#inTime(await this.#ofKnownTopics(left, error), error);
        // kafkajs gives the sequence numbers of what failed to the next records, which a broker that wrote some of it would
        // take for repetitions, and drop.
        if (rest.length < left.length) this.#producer.discard();
        left = rest;
      }
    }
  }

  /** Without those whose time is over: they are rejected. */
  #inTime(batch: readonly Queued[], cause?: unknown): readonly Queued[] {
    const now = this.#deps.clock.monotonic();
    return batch.filter((queued) => {
      if (this.#closed) queued.settle(new BusError('closed', 'the producer is closed', { cause }));
      else if (now < queued.deadline) return true;
      else
        queued.settle(
          new BusError('timeout', `Kafka did not take the record within ${SEND_DEADLINE} ms`, { cause }),
        );
      return false;
    });
  }

  /** Finds the record that the topic does not take, by halves: only it is rejected. */
  async #sendApart(batch: readonly Queued[], cause: unknown): Promise<void> {
    this.#producer.discard(); // its sequence numbers are those of the whole batch
    if (batch.length === 1) {
      const { topic, bytes } = batch[0]!;
      batch[0]!.settle(
        new BusError('too-large', `topic ${topic} takes no record of ${bytes} bytes`, { cause }),
      );
      return;
    }
    const middle = batch.length >> 1;
    await this.#sendBatch(batch.slice(0, middle));
    await this.#sendBatch(batch.slice(middle));
  }

  /** Without those whose topic does not exist: they are rejected. */
  async #ofKnownTopics(batch: readonly Queued[], cause: unknown): Promise<readonly Queued[]> {
    if (protocolErrorType(cause) !== 'UNKNOWN_TOPIC_OR_PARTITION') return batch;
    // Also when none of these is missing: a topic that was deleted since stays in what a producer asks for, and fails it all.
    this.#producer.discard();
    const missing = await this.#missing(batch);
    return batch.filter((queued) => {
      if (!missing.has(queued.topic)) return true;
      queued.settle(new BusError('unknown-topic', `topic ${queued.topic} does not exist`, { cause }));
      return false;
    });
  }

  #attempt(batch: readonly Queued[]): Promise<void> {
    const byTopic = Map.groupBy(batch, ({ topic }) => topic);
    return this.#producer.send(
      [...byTopic].map(([topic, queued]) => ({ topic, messages: queued.map(({ message }) => message) })),
    );
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

  /** Gives what is queued a moment to be sent, then disconnects; what is left is rejected. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { clock, logger } = this.#deps;
    const close = async () => {
      while (this.#sending) await this.#sending;
      await this.#producer.close();
    };
    try {
      await withDeadline(clock, CLOSE_DEADLINE, 'closing the producer', close());
    } catch (error) {
      logger.warn('the producer did not close in order', { error: messageOf(error) });
    }
    this.#closed = true;
  }
}
