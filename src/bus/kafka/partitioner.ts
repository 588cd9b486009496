import type { ICustomPartitioner } from 'kafkajs';
import { partitionOfKey } from '../../kafkajs/key-partition.ts';

/** A record as it is given to kafkajs. */
export interface Message {
  readonly key: string | null;
  readonly value: Buffer | null;
  /** Picks the partition of a record without a key: drawn once, so that a retry writes to the same one. */
  readonly spread: number;
}

/** As the Java client for records with a key; without one by the number drawn for the record. */
export const spreadingPartitioner: ICustomPartitioner =
  () =>
  ({ message, partitionMetadata: { length } }) => {
    const { key, spread } = message as unknown as Message;
    return key === null ? Math.floor(spread * length) : partitionOfKey(key, length);
  };
