import type { FetchedPartition } from '../../kafkajs/fetch.ts';
import { openBatches, RecordReader } from '../../kafkajs/records.ts';
import type { Feed, FeedOptions, IncomingRecord } from '../bus.ts';

/** What a feed tells those that fetch for it. */
export interface FeedOwner {
  /** It can be fetched again, or is closed. */
  changed(feed: PartitionFeed): void;
  /** The partition's end offset, from Kafka. */
  end(feed: PartitionFeed): Promise<number>;
}

/** One partition: how far it was taken, and what was fetched and is not taken yet. */
export class PartitionFeed implements Feed {
  readonly topic: string;
  readonly partition: number;
  readonly name: string;
  /** The offset to fetch next. */
  position: number;
  /** It is in a prompt fetch that is on its way. */
  isBusy = false;
  /** Nothing is known to be there: it can wait for records. */
  isQuiet = false;
  isClosed = false;
  /** It got nothing beside others, although something may be there: it is to be fetched alone. */
  isStarved = false;
  /** The bytes that what is fetched and not taken keeps in memory. */
  held = 0;
  readonly #options: FeedOptions;
  readonly #owner: FeedOwner;
  #end = 0;
  #reader: RecordReader | undefined;
  /** What was offered and not taken. */
  #refused: IncomingRecord | undefined;
  #isFull = false;
  #isTaking = false;

  constructor(options: FeedOptions, owner: FeedOwner) {
    this.#options = options;
    this.#owner = owner;
    this.topic = options.topic;
    this.partition = options.partition;
    this.name = nameOf(options.topic, options.partition);
    this.position = options.from;
  }

  get isCompacted(): boolean {
    return this.#options.isCompacted ?? false;
  }

  /** Whether it wants to be fetched. */
  get isHungry(): boolean {
    return !this.isClosed && !this.isBusy && !this.#isFull && this.#reader === undefined;
  }

  /** Takes in what a fetch brought. `bytes`: what that keeps in memory, while not all of it is taken. */
  async accept({ records, aborted, end }: FetchedPartition, bytes: number): Promise<void> {
    const batches = await openBatches(records, aborted);
    if (this.isClosed || this.#reader) return;
    this.#end = end;
    this.#tell();
    this.#reader = new RecordReader(batches, this.position);
    this.held = bytes;
    this.#take();
  }

  /** Kafka says that nothing is there up to the end. */
  skipToEnd(end: number): void {
    this.#end = end;
    this.position = Math.max(this.position, end);
    this.#tell();
  }

  /** Lets go of what is not taken: it is fetched again when there is room. */
  discard(): void {
    this.#reader = undefined;
    this.#refused = undefined;
    this.held = 0;
    this.isQuiet = false;
  }

  resume(): void {
    if (!this.#isFull || this.isClosed || this.#isTaking) return;
    this.#isFull = false;
    this.isQuiet = false;
    this.#take();
    if (!this.#isFull) this.#owner.changed(this);
  }

  async backlog(): Promise<number> {
    this.#end = await this.#owner.end(this);
    this.#tell();
    return Math.max(0, this.#end - this.position);
  }

  #take(): void {
    if (!this.#reader) return;
    this.#isTaking = true;
    try {
      this.#isFull = !this.#takeAll();
    } finally {
      this.#isTaking = false;
    }
    if (this.#isFull) return;
    this.position = Math.max(this.position, this.#reader?.end ?? 0);
    this.#reader = undefined;
    this.held = 0;
    this.#tell();
  }

  /** Answers false when there is no room for all of it. */
  #takeAll(): boolean {
    for (let record = this.#refused ?? this.#next(); record; record = this.#next()) {
      this.#refused = record;
      if (!this.#options.take(record)) return false;
      this.#refused = undefined;
      this.position = record.offset + 1;
      if (this.isClosed) break;
    }
    return true;
  }

  #tell(): void {
    if (!this.isClosed) this.#options.onPosition?.(this.position, Math.max(this.#end, this.position));
  }

  #next(): IncomingRecord | undefined {
    const record = this.#reader?.next();
    if (!record) return undefined;
    const { topic, partition } = this;
    const { offset, timestamp, key, value } = record;
    return { topic, partition, offset, timestamp, key: key?.toString() ?? null, value };
  }

  /** The position is not in the partition: goes on where it begins. */
  reset(start: number, end: number): void {
    if (this.position > end) this.#options.onReset?.(start);
    this.position = start;
    this.#end = end;
    this.isQuiet = false;
    this.#tell();
  }

  [Symbol.dispose](): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#reader = undefined;
    this.#refused = undefined;
    this.held = 0;
    this.#owner.changed(this);
  }
}

export const nameOf = (topic: string, partition: number) => `${topic}/${partition}`;
