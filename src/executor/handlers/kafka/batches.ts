import type { Outcome } from '../handler.ts';
import type { KafkaOptions } from './options.ts';
import { failureOf } from './outcome.ts';
import type { Partitions } from './partitions.ts';
import { DisconnectedError } from './reason.ts';
import type { KafkaRecord } from './record.ts';
import type { Sender, Sending } from './sender.ts';

/** Records in one batch, at most: kafkajs takes the square of their number to sort them. */
const MAX_RECORDS = 500;

interface Deps {
  readonly sender: Sender;
  readonly partitions: Partitions;
  readonly options: Pick<KafkaOptions, 'batchBytes' | 'maxRequestBytes' | 'bufferBytes'>;
}

/** A record that waits, or is on its way. */
class Waiting implements Sending {
  readonly record: KafkaRecord;
  readonly pack: Pack;
  readonly #place: number;
  readonly #onEnd: (record: KafkaRecord) => void;

  constructor(record: KafkaRecord, pack: Pack, place: number, onEnd: (record: KafkaRecord) => void) {
    this.record = record;
    this.pack = pack;
    this.#place = place;
    this.#onEnd = onEnd;
  }

  settle(outcome: Outcome): void {
    this.#onEnd(this.record);
    this.pack.settle(this.#place, outcome);
  }
}

/** The outcomes of the records of one call. */
class Pack {
  readonly outcomes: Promise<readonly Outcome[]>;
  readonly end: (reason: unknown) => void;
  hasEnded = false;
  readonly #outcomes: Outcome[];
  readonly #resolve: (outcomes: readonly Outcome[]) => void;
  #left: number;

  constructor(count: number) {
    const { promise, resolve, reject } = Promise.withResolvers<readonly Outcome[]>();
    promise.catch(() => {}); // it may end before it is waited for
    this.outcomes = promise;
    this.#outcomes = new Array<Outcome>(count);
    this.#left = count;
    this.#resolve = resolve;
    this.end = (reason) => {
      this.hasEnded = true;
      reject(reason);
    };
  }

  settle(place: number, outcome: Outcome): void {
    this.#outcomes[place] = outcome;
    this.#left--;
    if (this.#left > 0) return;
    this.hasEnded = true;
    this.#resolve(this.#outcomes);
  }
}

/** Gathers the records of several packs into batches and sends one batch at a time, while the next one gathers. */
export class Batches {
  readonly #deps: Deps;
  #queue: Waiting[] = [];
  /** Of what waits or is on its way. */
  #bytes = 0;
  #draining = false;
  #onWay: readonly Waiting[] = [];
  #closed: Error | undefined;
  #changed = Promise.withResolvers<void>();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** outcomes[i] belongs to records[i]. Rejects with the signal's reason when that aborts. */
  async deliver(records: readonly KafkaRecord[], signal: AbortSignal): Promise<readonly Outcome[]> {
    signal.throwIfAborted();
    if (records.length === 0) return [];
    const pack = new Pack(records.length);
    const abort = () => this.#cut(pack, signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      for (const [i, record] of records.entries()) {
        while (!this.#hasRoom(record) && !pack.hasEnded) await this.#changed.promise;
        if (pack.hasEnded) break;
        this.#add(new Waiting(record, pack, i, this.#forget));
      }
      return await pack.outcomes;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** Everything that waits or is on its way fails. */
  close(): void {
    this.#closed = new DisconnectedError('the integration stopped');
    this.#deps.sender.close(this.#closed);
    for (const waiting of this.#queue.splice(0)) waiting.settle(failureOf(this.#closed, ''));
    this.#wake();
  }

  #hasRoom({ bytes }: KafkaRecord): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#deps.options.bufferBytes;
  }

  #add(waiting: Waiting): void {
    this.#bytes += waiting.record.bytes;
    if (this.#closed) {
      waiting.settle(failureOf(this.#closed, ''));
      return;
    }
    this.#queue.push(waiting);
    if (!this.#draining) void this.#drain();
  }

  readonly #forget = ({ bytes }: KafkaRecord) => {
    this.#bytes -= bytes;
  };

  async #drain(): Promise<void> {
    this.#draining = true;
    while (this.#queue.length > 0) {
      // What is handed over within one turn of the event loop shares a batch.
      await new Promise<void>((resolve) => setImmediate(resolve));
      this.#onWay = this.#take();
      if (this.#onWay.length > 0) await this.#deps.sender.send(this.#onWay);
      this.#onWay = [];
      this.#wake();
    }
    this.#draining = false;
  }

  /** The records of the next batch, from the front of the queue. */
  #take(): readonly Waiting[] {
    const { partitions, options } = this.#deps;
    const bytes = new Map<number | undefined, number>();
    let total = 0;
    let count = 0;
    for (const { record } of this.#queue) {
      const partition = partitions.place(record);
      const ofPartition = (bytes.get(partition) ?? 0) + record.bytes;
      total += record.bytes;
      const isTooMuch = ofPartition > options.batchBytes || total > options.maxRequestBytes;
      if (count === MAX_RECORDS || (count > 0 && isTooMuch)) break;
      bytes.set(partition, ofPartition);
      count++;
    }
    return this.#queue.splice(0, count);
  }

  /** What of a pack waits does not leave any more; what is on its way is cut off, so that it does not arrive later. */
  #cut(pack: Pack, reason: unknown): void {
    const isOnWay = this.#onWay.some((waiting) => waiting.pack === pack) && !pack.hasEnded;
    pack.end(reason);
    for (const waiting of this.#queue) if (waiting.pack === pack) this.#forget(waiting.record);
    this.#queue = this.#queue.filter((waiting) => waiting.pack !== pack);
    if (isOnWay) {
      this.#deps.sender.discard(new DisconnectedError('cut off together with a record whose time was over'));
    }
    this.#wake();
  }

  #wake(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    resolve();
  }
}
