import type { RecordInit } from './record-batch.ts';

/** A record to be produced to a topic. */
export interface Outgoing {
  readonly topic: string;
  readonly record: RecordInit;
  /** In a batch, about. */
  readonly bytes: number;
  /** Whether it is not given up while Kafka may have it, nor what is on its way with it. Unset: it is. */
  readonly isAwaited?: (() => boolean) | undefined;
  /** Called once: without an error Kafka has the record. */
  settle(error?: unknown): void;
}

/** What to refuse a record with, which failed so many times, the last time with this error; undefined: it is tried again. */
export type Judge<T> = (record: T, failures: number, error: unknown) => unknown;

export interface BatchLimits {
  readonly maxRecords: number;
  readonly maxBytes: number;
  /** Batches of a partition on their way at once, at most. Without sequence numbers more than one lose their order. */
  readonly maxOnWay: number;
}

/**
 * What was not used for so long is not relied on any more, in milliseconds: Kafka forgets after a day who wrote to a
 * partition, unless it is set otherwise.
 */
export const UNUSED = 300_000;
