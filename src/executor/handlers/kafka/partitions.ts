import type { ICustomPartitioner, Message, PartitionMetadata } from 'kafkajs';
import { partitionOfKey } from '../../../kafkajs/key-partition.ts';

/** What the choice of a partition needs to know of a record, and where it is kept. */
export interface Placed {
  readonly key: string | null;
  /** Where it was first sent, and is sent again: a repetition elsewhere would be a second record. */
  partition?: number;
}

/**
 * Gives each record its partition: one with a key to that of the Java client, one without to the next that has a leader.
 * Knows the partitions from what kafkajs asks it.
 */
export class Partitions {
  #known: readonly PartitionMetadata[] = [];
  #leaders = new Map<number, number>();
  #available: readonly number[] = [];
  #next: number;
  /** Grows with each record that kafkajs has given a partition, which it does before it sends it. */
  placed = 0;

  /** @param random a number in [0, 1), where records without a key begin */
  constructor(random: number) {
    this.#next = Math.floor(random * 1000);
  }

  /** For kafkajs. */
  readonly partitioner: ICustomPartitioner =
    () =>
    ({ message, partitionMetadata }) => {
      if (partitionMetadata !== this.#known) this.#learn(partitionMetadata);
      this.placed++;
      return this.place(message as Message & Placed) ?? 0;
    };

  /** The partition of a record; undefined: the topic's partitions are not known yet. */
  place(record: Placed): number | undefined {
    const count = this.#known.length;
    if (count === 0) return undefined;
    // A topic that was made anew may have fewer.
    if (record.partition === undefined || record.partition >= count) {
      record.partition = record.key === null ? this.#spread() : partitionOfKey(record.key, count);
    }
    return record.partition;
  }

  /** The records in groups of one leader each: a broker that is away is to fail its own records alone. */
  byLeader<T extends { readonly record: Placed }>(batch: readonly T[]): readonly (readonly T[])[] {
    if (new Set(this.#leaders.values()).size <= 1) return [batch];
    return [...Map.groupBy(batch, ({ record }) => this.#leaders.get(this.place(record) ?? -1)).values()];
  }

  #learn(partitions: readonly PartitionMetadata[]): void {
    this.#known = partitions;
    this.#leaders = new Map(partitions.map(({ partitionId, leader }) => [partitionId, leader]));
    this.#available = partitions.filter(({ leader }) => leader >= 0).map(({ partitionId }) => partitionId);
  }

  #spread(): number {
    const from = this.#available.length > 0 ? this.#available : [...this.#leaders.keys()];
    return from[this.#next++ % from.length]!;
  }
}
