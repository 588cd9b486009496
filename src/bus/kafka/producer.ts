import type { Cluster } from '../../kafkajs/cluster.ts';
import { partitionOfKey } from '../../kafkajs/key-partition.ts';
import type { Once, Outgoing } from '../../kafkajs/outgoing.ts';
import { Producer, type ProducerOptions } from '../../kafkajs/producer.ts';
import type { Partitions } from '../../kafkajs/producer-topic.ts';
import { protocolErrorType } from '../../kafkajs/protocol-error.ts';
import type { RecordInit } from '../../kafkajs/record-batch.ts';
import { ByteLimit } from '../../runtime/byte-limit.ts';
import type { Clock } from '../../runtime/clock.ts';
import { withDeadline } from '../../runtime/deadline.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import { BusError, type Copies, type OutgoingRecord } from '../bus.ts';
import type { Lane } from '../lane.ts';
import { MAX_RECORD_BYTES } from '../topics.ts';
import { reasonOf } from './reason.ts';

const OPTIONS: ProducerOptions = {
  acks: -1,
  isIdempotent: true,
  requestTimeout: 10_000,
  compression: 0,
  compress: async (records) => records,
  maxBatchRecords: 1000,
  maxBatchBytes: 1_000_000,
  maxRequestBytes: 1_000_000,
  metadataAge: 30_000,
  retry: { initial: 100, max: 1000 },
  reconnect: { initial: 100, max: 1000 },
};
/** Bytes waiting: from here on nothing more should be taken in, and beyond the second it is refused. */
const FULL_BYTES = 50_331_648;
const QUEUE_BYTES = 67_108_864;
/** From `send` to its end, at most, in milliseconds. */
const SEND_DEADLINE = 20_000;
/** How much longer what must not be there twice is asked for, in milliseconds. */
const ONCE_PATIENCE = 3_600_000;
/** What a record takes in memory besides its key and its value, about. */
const RECORD_OVERHEAD = 500;
/** What Kafka adds to a record, at most. */
const BATCH_OVERHEAD = 100;
/** From the close to its end, at most, in milliseconds. */
const CLOSE_DEADLINE = 2000;
/** Looks for a topic that was just made, which a node may not know yet. */
const LOOKS = 5;
/** Sending that fails for so long is told, in milliseconds. */
const TROUBLE = 5000;

interface Sending extends Outgoing {
  readonly key: string | null;
  /** Picks the partition of a record without a key: drawn once, so that it comes again to the same one. */
  readonly spread: number;
  readonly deadline: number;
  readonly lane: Lane | undefined;
  readonly once: CopiesOnce | undefined;
}

/** What the copies of one message know of one another. */
interface CopiesOnce extends Once {
  /** Whether none of them is refused for what it cannot help: another one may be there. */
  isHeld(): boolean;
}

/** Also a tombstone. */
type Outgo = Omit<Copies, 'value'> & { readonly value: Uint8Array | null };

interface Deps {
  readonly clock: Clock;
  readonly logger: Logger;
  random(): number;
}

/** Sends the system's own records: with a bound on what waits, and a deadline for each. */
export class BusProducer implements AsyncDisposable {
  /** What waits, by its bytes in memory. */
  readonly outgoing = new ByteLimit(FULL_BYTES);
  readonly #deps: Deps;
  readonly #producer: Producer<Sending>;
  #bytes = 0;
  #isClosed = false;
  /** Why sending last failed. */
  #error: unknown;
  /** What is to be told when the producer is empty. */
  #emptied = () => {};

  constructor(cluster: Cluster, deps: Deps) {
    const { clock, logger, random } = deps;
    this.#deps = deps;
    this.#producer = new Producer<Sending>(OPTIONS, {
      cluster,
      clock,
      random,
      place: placeOf,
      judge: (record, failures, error) => this.#judge(record, failures, error),
      failed: (error, records) => {
        this.#error = error;
        logger.warn('Kafka did not take a batch', { records, error: messageOf(error) });
      },
    });
  }

  send(topic: string, { key, value, isOnce = false }: OutgoingRecord): Promise<void> {
    return this.#send({ value, to: [{ topic, key }], isOnce });
  }

  sendCopies(copies: Copies): Promise<void> {
    return this.#send(copies);
  }

  /** Why Kafka has not taken what was sent for some seconds; undefined: it takes it. */
  trouble(): string | undefined {
    const since = this.#producer.failingSince();
    const waited = since === undefined ? 0 : this.#deps.clock.monotonic() - since;
    if (waited < TROUBLE) return undefined;
    const { refusal, text } = reasonOf(this.#error);
    // It hangs up also when it stops, before its handshake too.
    const isDoubtful = refusal === undefined || refusal === 'closed' || refusal === 'no-tls';
    const why = isDoubtful ? messageOf(this.#error) : text;
    return `Kafka has taken no records for ${Math.floor(waited / 1000)} s: ${why}`;
  }

  async #send({ value, to, lane, isOnce, there }: Outgo): Promise<void> {
    if (to.length === 0) return;
    const shared = value && Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    const bytes = to.reduce((sum, { key }) => sum + sizeOfKey(key) + RECORD_OVERHEAD, shared?.length ?? 0);
    this.#check(shared, to, bytes, lane);
    this.#bytes += bytes;
    this.outgoing.add(bytes);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let left = to.length;
    let refusal: Error | undefined;
    const settle = (error?: unknown) => {
      if (error) refusal ??= this.#refusalOf(error, lane);
      left--;
      if (left > 0) return;
      this.#bytes -= bytes;
      this.outgoing.remove(bytes);
      if (refusal) reject(refusal);
      else resolve();
      if (this.#bytes === 0) this.#emptied();
    };
    const arrived = (topic: string, error: unknown) => {
      if (!error) there?.add(topic);
      settle(error);
    };
    const { clock, random } = this.#deps;
    const deadline = clock.lease() + SEND_DEADLINE;
    const once = isOnce ? this.#once(deadline + ONCE_PATIENCE, () => refusal !== undefined) : undefined;
    for (const { topic, key } of to) {
      const record: RecordInit = { key, value: shared };
      const size = sizeOfKey(key) + (shared?.length ?? 0) + BATCH_OVERHEAD;
      const spread = key === null ? random() : 0;
      const settled = there ? (error?: unknown) => arrived(topic, error) : settle;
      this.#producer.send({ topic, record, key, spread, bytes: size, deadline, lane, once, settle: settled });
    }
    return await promise;
  }

  /** Once one of them is refused all are sent again, so none is held for the others; nor while that keeps others out. */
  #once(until: number, isRefused: () => boolean): CopiesOnce {
    const out = new Set<Outgoing>();
    const isAwaited = () => this.#deps.clock.lease() < until;
    return {
      out,
      isAwaited,
      isHeld: () => out.size > 0 && !isRefused() && !this.outgoing.isFull && isAwaited(),
    };
  }

  /** @throws BusError when it is not taken */
  #check(value: Buffer | null, to: Copies['to'], bytes: number, lane: Lane | undefined): void {
    if (this.#isClosed) throw new BusError('closed', 'the producer is closed');
    if (lane?.refusal) throw lane.refusal;
    const largest = Math.max(...to.map(({ key }) => sizeOfKey(key))) + (value?.length ?? 0) + BATCH_OVERHEAD;
    if (largest > MAX_RECORD_BYTES) {
      const limit = `larger than the ${MAX_RECORD_BYTES} a topic takes`;
      throw new BusError('too-large', `a record of ${largest} bytes is ${limit}`);
    }
    if (this.#bytes + bytes > QUEUE_BYTES) {
      throw new BusError('full', `${this.#bytes} bytes are waiting for Kafka already; try again later`);
    }
  }

  /** Refused with it is all that is queued behind it, and what comes later, of the same publisher. */
  #refusalOf(cause: unknown, lane: Lane | undefined): Error {
    const error =
      cause instanceof BusError
        ? cause
        : new BusError('too-large', `the topic takes no such record: ${messageOf(cause)}`, { cause });
    if (lane) lane.refusal ??= error;
    return error;
  }

  #judge({ topic, deadline, lane, once }: Sending, failures: number, cause: unknown): unknown {
    const isHeld = once?.isHeld() ?? false;
    if (lane?.refusal && !isHeld) return lane.refusal;
    // Where nothing is wrong it leaves, however the clocks are set meanwhile.
    const isLate = cause !== undefined && this.#deps.clock.lease() >= deadline;
    const isMissing = failures >= LOOKS && protocolErrorType(cause) === 'UNKNOWN_TOPIC_OR_PARTITION';
    // A topic that was deleted does not come back, however long it is held for.
    if (isMissing && (isLate || !isHeld)) {
      return new BusError('unknown-topic', `topic ${topic} does not exist`, { cause });
    }
    if (isHeld || !isLate) return undefined;
    return new BusError('timeout', `Kafka did not take the record within ${SEND_DEADLINE} ms`, { cause });
  }

  /** Gives what waits a moment to be sent, then disconnects; what is left is refused. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { clock, logger } = this.#deps;
    this.#isClosed = true;
    const empty = new Promise<void>((resolve) => {
      this.#emptied = resolve;
      if (this.#bytes === 0) resolve();
    });
    try {
      await withDeadline(clock, CLOSE_DEADLINE, 'sending what is left', empty);
    } catch (error) {
      logger.warn('the producer did not close in order', { error: messageOf(error) });
    }
    const closed = this.#producer.close(new BusError('closed', 'the producer is closed'));
    await withDeadline(clock, CLOSE_DEADLINE, 'closing the producer', closed).catch(() => {}); // it ends later
  }
}

const sizeOfKey = (key: string | null) => (key === null ? 0 : Buffer.byteLength(key));

/** As the Java client for records with a key; without one by the number drawn for the record, among those with a leader. */
function placeOf({ key, spread }: Sending, { count, led }: Partitions): number {
  if (key !== null) return partitionOfKey(key, count);
  return led.length === 0 ? Math.floor(spread * count) : led[Math.floor(spread * led.length)]!;
}
