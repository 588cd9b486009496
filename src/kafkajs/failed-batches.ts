import type { ProducerIdentity } from './cluster.ts';
import type { Judge, Outgoing } from './outgoing.ts';
import { isBefore } from './sequence.ts';

/** Records of one partition that leave together; when they are sent again, the same ones do. */
export interface NumberedBatch<T extends Outgoing> {
  readonly records: readonly T[];
  /** Whose sequence numbers its records have; undefined: they have none. */
  readonly identity: ProducerIdentity | undefined;
  /** The sequence number of the first record, by which Kafka keeps the order and tells what comes again. */
  readonly sequence: number;
  /** Tries that failed. */
  readonly failures: number;
  /** Whether one of them may have written it; once it may, no later one tells otherwise. */
  readonly mayBeThere: boolean;
}

/** The batches of one partition that failed, in the order of their numbers. */
export class FailedBatches<T extends Outgoing, B extends NumberedBatch<T>> {
  #batches: B[] = [];

  get isEmpty(): boolean {
    return this.#batches.length === 0;
  }

  add(batch: B): void {
    const at = this.#batches.findIndex((other) => isBefore(batch.sequence, other.sequence));
    this.#batches.splice(at === -1 ? this.#batches.length : at, 0, batch);
  }

  /** Takes out the first one. */
  shift(): B | undefined {
    return this.#batches.shift();
  }

  hasBefore({ sequence }: B): boolean {
    return this.#batches.some((other) => isBefore(other.sequence, sequence));
  }

  /** Takes all of them out. */
  takeRecords(): readonly T[] {
    return this.#batches.splice(0).flatMap(({ records }) => records);
  }

  /** Only under the numbers that it left with does Kafka tell whether it has what it may have. */
  isAwaited(): boolean {
    return this.#batches.some(
      ({ mayBeThere, records }) => mayBeThere && records.some((record) => record.once?.isAwaited()),
    );
  }

  /** Settles what is not to be tried again, unless Kafka is still to tell of it; answers whether that was something. */
  judge(judge: Judge<T>, looks: number, error: unknown): boolean {
    if (this.isAwaited()) return false;
    const kept: B[] = [];
    let isTorn = false;
    for (const batch of this.#batches) {
      const refusals = batch.records.map((record) => judge(record, batch.failures + looks, error));
      const records = batch.records.filter((record, i) => {
        if (refusals[i] !== undefined) record.settle(refusals[i]);
        return refusals[i] === undefined;
      });
      isTorn ||= records.length < batch.records.length;
      if (records.length > 0) kept.push({ ...batch, records });
    }
    this.#batches = kept;
    return isTorn;
  }
}
