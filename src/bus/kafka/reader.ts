import { Change } from '../../runtime/change.ts';
import type { CancelTimer, Clock } from '../../runtime/clock.ts';
import { type Bus, BusError, type Feed, type IncomingRecord, type ReadOptions } from '../bus.ts';

/** Without a record from Kafka, or word that there is none, in milliseconds. */
const PROGRESS_DEADLINE = 30_000;
/** Records, and bytes of them, that wait to be handed out. */
const MAX_WAITING = 2000;
const MAX_WAITING_BYTES = 4 << 20;

type Source = Pick<Bus, 'feed' | 'offsets'>;

/** Reads parts of partitions; see `Bus.read`. */
export async function read(source: Source, options: ReadOptions, clock: Clock): Promise<void> {
  const { topic, ranges, signal } = options;
  signal?.throwIfAborted();
  if (ranges.size === 0) return;
  const there = await source.offsets(topic);
  signal?.throwIfAborted();
  using reader = new RangeReader(options, clock);
  for (const [partition, { start, end }] of ranges) {
    const found = there.get(partition);
    if (!found) throw new BusError('failed', `topic ${topic} has no partition ${partition}`);
    const from = Math.max(start, found.start);
    const to = Math.min(end, found.end);
    if (from < to) reader.add(source, partition, from, to);
  }
  await reader.run();
}

/** Reading ends by position: also where the last records of a range are gone. */
class RangeReader implements Disposable {
  readonly #options: ReadOptions;
  readonly #clock: Clock;
  /** By partition that is not read to its end. */
  readonly #feeds = new Map<number, Feed>();
  readonly #waiting = new Map<number, IncomingRecord[]>();
  #error: unknown;
  #isHanding = false;
  #count = 0;
  #bytes = 0;
  readonly #changed = new Change();
  #cancelDeadline: CancelTimer = () => {};

  constructor(options: ReadOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  add(source: Source, partition: number, from: number, to: number): void {
    const { topic, isCompacted = false } = this.#options;
    const finish = () => this.#finish(partition);
    this.#feeds.set(
      partition,
      source.feed({
        topic,
        partition,
        from,
        isCompacted,
        take: (record) => {
          if (record.offset >= to) finish();
          return record.offset >= to || this.#take(record);
        },
        onPosition: (position) => {
          this.#expectProgress();
          if (position >= to) finish();
        },
        onReset: finish,
      }),
    );
  }

  #take(record: IncomingRecord): boolean {
    if (this.#count >= MAX_WAITING || this.#bytes >= MAX_WAITING_BYTES) return false;
    this.#count++;
    this.#bytes += record.value?.length ?? 0;
    const waiting = this.#waiting.get(record.partition);
    if (waiting) waiting.push(record);
    else this.#waiting.set(record.partition, [record]);
    this.#changed.tell();
    return true;
  }

  #fail(error: unknown): void {
    this.#error ??= error;
    this.#changed.tell();
  }

  #finish(partition: number): void {
    this.#feeds.get(partition)?.[Symbol.dispose]();
    this.#feeds.delete(partition);
    this.#changed.tell();
  }

  /** Hands out batches, until everything is read. */
  async run(): Promise<void> {
    const { signal, eachBatch } = this.#options;
    const abort = () => this.#fail(signal?.reason);
    signal?.addEventListener('abort', abort);
    try {
      while (this.#feeds.size > 0 || this.#waiting.size > 0) {
        if (this.#error !== undefined) throw this.#error;
        const [next] = this.#waiting;
        if (next) {
          const [partition, records] = next;
          this.#waiting.delete(partition);
          this.#isHanding = true;
          this.#cancelDeadline();
          await eachBatch(records);
          this.#isHanding = false;
          if (this.#error !== undefined) throw this.#error;
          this.#count -= records.length;
          this.#bytes -= records.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
          for (const feed of this.#feeds.values()) feed.resume();
        } else {
          this.#expectProgress();
          await this.#changed.next();
        }
      }
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  #expectProgress(): void {
    const { topic } = this.#options;
    this.#cancelDeadline();
    if (this.#isHanding || this.#waiting.size > 0) return;
    this.#cancelDeadline = this.#clock.setTimer(() => {
      const late = `reading ${topic}: nothing came from Kafka within ${PROGRESS_DEADLINE} ms`;
      this.#fail(new BusError('timeout', late));
    }, PROGRESS_DEADLINE);
  }

  [Symbol.dispose](): void {
    this.#cancelDeadline();
    for (const feed of this.#feeds.values()) feed[Symbol.dispose]();
  }
}
