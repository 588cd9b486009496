import type { Kafka } from 'kafkajs';
import { protocolErrorType } from '../../kafkajs/protocol-error.ts';
import { backoffPause } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { withDeadline } from '../../runtime/deadline.ts';
import { InFlightBytes } from '../../runtime/in-flight-bytes.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import { BusError, type Copies, type OutgoingRecord } from '../bus.ts';
import type { Lane } from '../lane.ts';
import { MAX_RECORD_BYTES } from '../topics.ts';
import { IdempotentProducer } from './idempotent-producer.ts';
import type { Message } from './partitioner.ts';

/** Records in one batch, at most. */
const BATCH_RECORDS = 1000;
/** Bytes in one batch, at most (a larger record goes alone). */
const BATCH_BYTES = 1_000_000;
/** Bytes waiting: from here on nothing more should be taken in, and beyond the second it is refused. */
const FULL_BYTES = 50_331_648;
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
  readonly lane: Lane | undefined;
  /** Ends it: without an error Kafka has the record. */
  settle(error?: Error): void;
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

  readonly trouble = () => this.#producer.trouble();
  readonly outgoing = new InFlightBytes(FULL_BYTES);

  send(topic: string, { key, value }: OutgoingRecord): Promise<void> {
    return this.#take(value, [{ topic, key }], undefined);
  }

  sendCopies({ value, to, lane }: Copies): Promise<void> {
    return this.#take(value, to, lane);
  }

  async #take(value: Uint8Array | null, to: Copies['to'], lane: Lane | undefined): Promise<void> {
    const sizes = to.map(({ key }) => (key?.length ?? 0) + RECORD_OVERHEAD);
    const valueBytes = value?.byteLength ?? 0;
    const bytes = sizes.reduce((sum, size) => sum + size, valueBytes);
    this.#check(valueBytes + Math.max(...sizes), bytes, lane);
    this.outgoing.add(bytes);
    this.#queuedBytes += bytes;
    const shared = value === null ? null : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    const copies = to.map(({ topic, key }, i) =>
      this.#queueOne(topic, key, shared, valueBytes + sizes[i]!, lane),
    );
    this.#sending ??= this.#drain();
    try {
      await Promise.all(copies);
    } finally {
      await Promise.allSettled(copies);
      this.#queuedBytes -= bytes;
      this.outgoing.remove(bytes);
    }
  }

  /** @throws BusError when it is not taken */
  #check(largest: number, bytes: number, lane: Lane | undefined): void {
    if (this.#closed) throw new BusError('closed', 'the producer is closed');
    if (lane?.refusal) throw lane.refusal;
    if (largest > MAX_RECORD_BYTES) {
      throw new BusError(
        'too-large',
        `a record of ${largest} bytes is larger than the ${MAX_RECORD_BYTES} a topic takes`,
      );
    }
    if (this.#queuedBytes + bytes > QUEUE_BYTES) {
      throw new BusError('full', `${this.#queuedBytes} bytes are waiting for Kafka already; try again later`);
    }
  }

  #queueOne(
    topic: string,
    key: string | null,
    value: Buffer | null,
    bytes: number,
    lane: Lane | undefined,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const message = { key, value, spread: key === null ? this.#deps.random() : 0 };
      const deadline = this.#deps.clock.monotonic() + SEND_DEADLINE;
      const settle = (error?: Error) => {
        if (error && lane) lane.refusal ??= error;
        if (error) reject(error);
        else resolve();
      };
      this.#queue.push({ topic, message, bytes, deadline, lane, settle });
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
      if (queued.lane?.refusal) queued.settle(queued.lane.refusal);
      else if (this.#closed) queued.settle(new BusError('closed', 'the producer is closed', { cause }));
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
    const messagesOf = (queued: readonly Queued[]) => queued.map(({ message }) => message);
    return this.#producer.send(
      [...byTopic].map(([topic, queued]) => ({ topic, messages: messagesOf(queued) })),
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
