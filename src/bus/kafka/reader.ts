import { randomUUID } from 'node:crypto';
import type { Kafka, Consumer as KafkaConsumer } from 'kafkajs';
import type { CancelTimer } from '../../runtime/clock.ts';
import { withDeadline } from '../../runtime/deadline.ts';
import { messageOf } from '../../runtime/logger.ts';
import {
  BusError,
  type IncomingRecord,
  type ReadOptions,
  type RecordBatch,
  type TopicPartition,
} from '../bus.ts';
import { keepingAlive } from '../keeping-alive.ts';
import type { Admin } from './admin.ts';
import { type ConsumerDeps, consume } from './consumer.ts';
import { watchFetches } from './fetches.ts';

/** The longest wait of a fetch, in milliseconds: leaving takes that long, and finding an emptied end twice that. */
const MAX_WAIT = 100;
/** Without a record from Kafka, or word that there is none, in milliseconds. */
const PROGRESS_DEADLINE = 30_000;
const CLOSE_DEADLINE = 4000;

interface Part {
  /** The offset of the next record. */
  position: number;
  readonly end: number;
  leader: number;
  /** Fetches from its leader, one after the other, that brought nothing. */
  emptyFetches: number;
}

/** Reads parts of partitions; see `Bus.read`. */
export async function read(
  kafka: Kafka,
  admin: Admin,
  options: ReadOptions,
  deps: ConsumerDeps,
): Promise<void> {
  const { topic, ranges, signal } = options;
  signal?.throwIfAborted();
  if (ranges.size === 0) return;
  const there = await admin.ends(topic);
  const parts = new Map<number, Part>();
  for (const [partition, { start, end }] of ranges) {
    const found = there.get(partition);
    if (!found) throw new BusError('failed', `topic ${topic} has no partition ${partition}`);
    const position = Math.max(start, found.start);
    const part = { position, end: Math.min(end, found.end), leader: found.leader, emptyFetches: 0 };
    if (part.position < part.end) parts.set(partition, part);
  }
  if (parts.size === 0) return;
  const groupId = `${topic}.read.${randomUUID()}`;
  try {
    await new RangeReader(parts, admin, options, deps).run(kafka, groupId);
  } finally {
    await admin.deleteGroups([groupId]).catch((error) => {
      // Kafka removes an empty group by itself, later.
      deps.logger.debug('the group of a reader stays behind', { groupId, error: messageOf(error) });
    });
  }
}

/** Reading ends by position, as following does: also where the last records of a range are gone. */
class RangeReader {
  readonly #parts: Map<number, Part>;
  readonly #admin: Admin;
  readonly #options: ReadOptions;
  readonly #deps: ConsumerDeps;
  readonly #over = Promise.withResolvers<void>();
  #isOver = false;
  #client: KafkaConsumer | undefined;
  /** Ends when everybody's turn so far is over: batches of several partitions come side by side. */
  #turn = Promise.resolve();
  #isBusy = false;
  #isAsking = false;
  #cancelDeadline: CancelTimer = () => {};

  constructor(parts: Map<number, Part>, admin: Admin, options: ReadOptions, deps: ConsumerDeps) {
    this.#parts = parts;
    this.#admin = admin;
    this.#options = options;
    this.#deps = deps;
  }

  async run(kafka: Kafka, groupId: string): Promise<void> {
    const { clock, logger } = this.#deps;
    const { topic, signal } = this.#options;
    const abort = () => this.#end(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    const stop = new AbortController();
    const consuming = consume(
      kafka,
      {
        groupId,
        topics: [topic],
        maxWait: MAX_WAIT,
        signal: stop.signal,
        eachBatch: (batch) => this.#eachBatch(batch),
        onAssigned: (partitions) => this.#assigned(partitions),
      },
      this.#deps,
      (client) => this.#watch(client),
    );
    this.#expectProgress();
    try {
      await this.#over.promise;
    } finally {
      signal?.removeEventListener('abort', abort);
      this.#cancelDeadline();
      stop.abort();
      const closed = consuming.then(
        (consumer) => consumer[Symbol.asyncDispose](),
        () => {}, // it never joined
      );
      await withDeadline(clock, CLOSE_DEADLINE, 'leaving the group', closed).catch((error) =>
        logger.warn('a reader did not stop in time', { groupId, error: messageOf(error) }),
      );
      await this.#turn;
    }
  }

  #end(error?: unknown): void {
    this.#isOver = true;
    if (error === undefined) this.#over.resolve();
    else this.#over.reject(error);
  }

  #expectProgress(): void {
    this.#cancelDeadline();
    if (this.#isOver) return;
    this.#cancelDeadline = this.#deps.clock.setTimer(() => {
      if (this.#isBusy) return this.#expectProgress();
      const { topic } = this.#options;
      this.#end(
        new BusError('timeout', `reading ${topic}: nothing came from Kafka within ${PROGRESS_DEADLINE} ms`),
      );
    }, PROGRESS_DEADLINE);
  }

  #watch(client: KafkaConsumer): void {
    this.#client = client;
    watchFetches(client, {
      nothingFrom: (node) => this.#nothingFrom(node),
      passed: ({ partition }, position) => this.#passed(partition, position),
    });
  }

  /** After each (re)join: nothing is committed, so every partition is told where to go on. */
  #assigned(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) {
      const part = this.#parts.get(partition);
      if (part) {
        part.emptyFetches = 0;
        this.#client?.seek({ topic, partition, offset: String(part.position) });
      } else this.#client?.pause([{ topic, partitions: [partition] }]);
    }
  }

  async #eachBatch(batch: RecordBatch): Promise<void> {
    const last = batch.records.at(-1);
    if (!last) return;
    this.#turn = this.#turn.then(() => this.#hand(batch.partition, batch.records));
    // Nobody else is in the group: a membership that is lost is taken up again from the position.
    const membership = {
      isRunning: () => batch.isRunning(),
      heartbeat: () => batch.heartbeat().catch(() => {}),
    };
    await keepingAlive(membership, this.#deps.clock, this.#turn);
    batch.takenIn(last.offset);
  }

  async #hand(partition: number, records: readonly IncomingRecord[]): Promise<void> {
    const part = this.#parts.get(partition);
    if (!part || this.#isOver) return;
    const wanted = records.filter(({ offset }) => offset >= part.position && offset < part.end);
    this.#isBusy = true;
    try {
      if (wanted.length > 0) await this.#options.eachBatch(wanted);
      this.#passed(partition, records.at(-1)!.offset + 1);
    } catch (error) {
      this.#end(error);
    } finally {
      this.#isBusy = false;
    }
  }

  #passed(partition: number, position: number): void {
    const part = this.#parts.get(partition);
    if (!part) return;
    part.position = Math.max(part.position, position);
    part.emptyFetches = 0;
    this.#expectProgress();
    if (part.position >= part.end) this.#finish(partition);
  }

  #nothingFrom(node: number): void {
    const parts = [...this.#parts.values()].filter(({ leader }) => leader === node);
    for (const part of parts) part.emptyFetches++;
    if (parts.some(isSilent) && !this.#isAsking) void this.#askAboutSilent();
  }

  /** A leader that has changed says nothing too, but not because there is nothing. */
  async #askAboutSilent(): Promise<void> {
    this.#isAsking = true;
    try {
      const there = await this.#admin.ends(this.#options.topic);
      for (const [partition, part] of this.#parts) {
        if (!isSilent(part)) continue;
        const found = there.get(partition);
        if (!found || found.start >= part.end || found.leader === part.leader) this.#finish(partition);
        else Object.assign(part, { leader: found.leader, emptyFetches: 0 });
      }
    } catch (error) {
      this.#deps.logger.debug('cannot read the end of a topic, trying again', { error: messageOf(error) });
    }
    this.#isAsking = false;
  }

  #finish(partition: number): void {
    this.#parts.delete(partition);
    this.#client?.pause([{ topic: this.#options.topic, partitions: [partition] }]);
    if (this.#parts.size === 0) this.#end();
  }
}

const isSilent = ({ emptyFetches }: Part) => emptyFetches >= 2;
