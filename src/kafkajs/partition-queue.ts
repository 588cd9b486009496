import type { ProducerIdentity } from './cluster.ts';
import { FailedBatches, type NumberedBatch } from './failed-batches.ts';
import { type BatchLimits, type Judge, type Outgoing, UNUSED, WORTH_A_REQUEST } from './outgoing.ts';
import { sequenceAfter } from './sequence.ts';

export interface Batch<T extends Outgoing> extends NumberedBatch<T> {
  readonly queue: PartitionQueue<T>;
}

/**
 * The records of one partition, which leave in their order, in batches. What failed is sent again before anything else, and
 * not before everything else on its way has ended.
 */
export class PartitionQueue<T extends Outgoing> {
  readonly topic: string;
  readonly partition: number;
  /** Set by whoever sends: under which to number the next batches; and the one that was lost. */
  identity: ProducerIdentity | undefined;
  lost: ProducerIdentity | undefined;
  /** The node that leads it; -1: none. */
  leader = -1;
  /** Tries in a row that failed. */
  failures = 0;
  /** Looks in a row that found nobody who leads it, or no identity. */
  looks = 0;
  /** Why the last try failed; undefined: it did not. */
  error: unknown;
  /** Not before this time is anything sent, in milliseconds of the monotonic clock. */
  notBefore = 0;
  #sequence = 0;
  #waiting: T[] = [];
  #bytes = 0;
  #onWay: Batch<T>[] = [];
  readonly #failed = new FailedBatches<T, Batch<T>>();
  #isDraining = false;
  /** When Kafka last took a batch of this identity: of one that it does not know it takes any number for the first. */
  #taken = Number.NEGATIVE_INFINITY;
  /** Where to number anew: Kafka refused what had this number, and so everything after it. */
  #renumberFrom: number | undefined;

  constructor(topic: string, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#onWay.length === 0 && this.#failed.isEmpty;
  }

  /** What waits cannot even be tried. */
  cannotLeave(error: unknown): void {
    this.looks++;
    this.error = error;
  }

  add(record: T): void {
    this.#waiting.push(record);
    this.#bytes += record.bytes;
  }

  /** The next batch to send, which is on its way from now on; undefined: none may leave yet. */
  take(limits: BatchLimits, judge: Judge<T>, now: number): Batch<T> | undefined {
    const maxOnWay = now - this.#taken < UNUSED ? limits.maxOnWay : 1;
    if (this.#isDraining || this.#onWay.length >= maxOnWay) return undefined;
    const batch = this.#failed.shift() ?? this.#next(limits, judge);
    if (batch) this.#onWay.push(batch);
    for (const record of batch?.records ?? []) record.once?.out.add(record);
    return batch;
  }

  /** While one is on its way, only large ones follow: the others grow meanwhile. */
  #next({ maxRecords, maxBytes }: BatchLimits, judge: Judge<T>): Batch<T> | undefined {
    const isLarge = this.#waiting.length >= Math.min(maxRecords, WORTH_A_REQUEST) || this.#bytes >= maxBytes;
    if (this.#onWay.length > 0 && !isLarge) return undefined;
    const records: T[] = [];
    let taken = 0;
    let bytes = 0;
    for (const record of this.#waiting) {
      if (records.length === maxRecords || (records.length > 0 && bytes + record.bytes > maxBytes)) break;
      taken++;
      this.#bytes -= record.bytes;
      const refusal = judge(record, 0, this.error);
      if (refusal !== undefined) record.settle(refusal);
      else {
        records.push(record);
        bytes += record.bytes;
      }
    }
    this.#waiting.splice(0, taken);
    if (records.length === 0) return undefined;
    const sequence = this.#sequence;
    this.#sequence = sequenceAfter(sequence, records.length);
    return { queue: this, records, identity: this.identity, sequence, failures: 0, mayBeThere: false };
  }

  /** Kafka has it. */
  succeeded(batch: Batch<T>, now: number): void {
    if (!this.#ended(batch)) return;
    this.error = undefined;
    this.failures = this.looks = 0;
    // It had lost what it knew: the numbers behind one that it refused are taken.
    if (this.#renumberFrom !== undefined && batch.identity === this.identity) this.#lose();
    if (batch.identity === this.identity) this.#taken = now;
    for (const record of batch.records) record.settle();
    this.#drained();
  }

  /** It is not known to be there, and comes again. */
  failed(batch: Batch<T>, error: unknown, mayBeThere: boolean): void {
    if (!this.#ended(batch)) return;
    this.error = error;
    this.failures++;
    this.#again({
      ...batch,
      failures: batch.failures + 1,
      mayBeThere: batch.mayBeThere || mayBeThere,
    });
    this.#drained();
  }

  /**
   * Kafka says that the numbers do not follow one another, or that it does not know whose they are. Answers whether that is
   * a failure: behind one that failed it is not, and ends when that one is there.
   */
  outOfOrder(batch: Batch<T>, error: unknown): boolean {
    const isBehind = !this.#isFirst(batch) || this.#renumberFrom !== undefined;
    if (!isBehind) {
      if (batch.identity === this.identity) this.#lose();
      this.failed(batch, error, false);
    } else if (this.#ended(batch)) {
      this.#again(batch);
      this.#drained();
    }
    return !isBehind;
  }

  /** Kafka refused it, wrote nothing of it, and never will: of several records each half is tried by itself. */
  refused(batch: Batch<T>, error: unknown): void {
    const isFirst = this.#isFirst(batch);
    if (!this.#ended(batch)) return;
    const { records, sequence } = batch;
    const middle = records.length >> 1;
    if (middle === 0 && isFirst) {
      // Nothing behind it can be there, either, unless it was written before Kafka refused it: its number is taken then.
      if (batch.mayBeThere) this.#lose();
      else this.#renumberFrom ??= sequence;
      records[0]!.once?.out.delete(records[0]!);
      records[0]!.settle(error);
    } else if (middle === 0) {
      this.#again(batch); // what is before it may be there, and keeps its numbers until that is known
    } else {
      this.#again({ ...batch, records: records.slice(0, middle) });
      this.#again({ ...batch, records: records.slice(middle), sequence: sequenceAfter(sequence, middle) });
    }
    this.#drained();
  }

  #lose(): void {
    this.lost = this.identity;
    this.identity = undefined;
    this.#taken = Number.NEGATIVE_INFINITY;
    this.#renumberFrom = 0;
  }

  #again(batch: Batch<T>): void {
    if (!batch.mayBeThere) for (const record of batch.records) record.once?.out.delete(record);
    this.#failed.add(batch);
    this.#isDraining = true;
  }

  /** Whether nothing that is not known to be there comes before what is on its way. */
  #isFirst(batch: Batch<T>): boolean {
    return this.#onWay[0] === batch && !this.#failed.hasBefore(batch);
  }

  /** False: it is not on its way any more, and was settled. */
  #ended(batch: Batch<T>): boolean {
    const at = this.#onWay.indexOf(batch);
    if (at !== -1) this.#onWay.splice(at, 1);
    return at !== -1;
  }

  /** When nothing is on its way, what failed may leave again. */
  #drained(): void {
    if (this.#renumberFrom !== undefined) this.#isDraining = true;
    if (this.#onWay.length > 0) return;
    this.#isDraining = false;
    if (this.#renumberFrom !== undefined) this.#unnumber();
  }

  /** Puts what failed back among what was never sent. */
  #unnumber(): void {
    this.#sequence = this.#renumberFrom ?? this.#sequence;
    this.#renumberFrom = undefined;
    const records = this.#failed.takeRecords();
    this.#waiting = [...records, ...this.#waiting];
    for (const { bytes } of records) this.#bytes += bytes;
  }

  /** Takes out what is not on its way: it goes elsewhere. */
  takeBack(): readonly T[] {
    if (this.#onWay.length > 0 || this.#failed.isAwaited()) return [];
    if (!this.#failed.isEmpty) this.#lose();
    this.#unnumber();
    this.#bytes = 0;
    return this.#waiting.splice(0);
  }

  /** Settles what is not to be tried again. What may be there already is not taken out while it is on its way. */
  judge(judge: Judge<T>): void {
    if (this.#onWay.length === 0 && this.#failed.judge(judge, this.looks, this.error)) {
      // Kafka may have what is left out, and would take what follows with its numbers for repetitions, and drop it.
      this.#lose();
      this.#unnumber();
    }
    const refusals: [T, unknown][] = [];
    const kept: T[] = [];
    for (const record of this.#waiting) {
      const refusal = judge(record, this.looks, this.error);
      if (refusal === undefined && !record.once) break; // those behind it have waited less
      if (refusal === undefined) kept.push(record);
      else {
        refusals.push([record, refusal]);
        this.#bytes -= record.bytes;
      }
    }
    if (refusals.length > 0) this.#waiting = [...kept, ...this.#waiting.slice(kept.length + refusals.length)];
    for (const [record, refusal] of refusals) record.settle(refusal);
  }

  /** Settles everything. What is on its way may be there nevertheless. */
  end(error: unknown): void {
    const onWay = this.#onWay.splice(0).flatMap(({ records }) => records);
    const records = [...onWay, ...this.#failed.takeRecords(), ...this.#waiting.splice(0)];
    this.#bytes = 0;
    for (const record of records) record.settle(error);
  }
}
