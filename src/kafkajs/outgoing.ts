import type { RecordInit } from './record-batch.ts';

/** A record to be produced to a topic. */
export interface Outgoing {
  readonly topic: string;
  readonly record: RecordInit;
  /** In a batch, about. */
  readonly bytes: number;
  /** Unset: it may be there twice. The same one for all copies of a message. */
  readonly once?: Once | undefined;
  /** Called once: without an error Kafka has the record. */
  settle(error?: unknown): void;
}

/** What must not be there twice. */
export interface Once {
  /** Those of the copies that Kafka may have, by their queues. */
  readonly out: Set<Outgoing>;
  /** Whether none of them is given up while Kafka may have it, nor what is on its way with it. */
  isAwaited(): boolean;
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

/** So many records are worth a request while another one is on its way: fewer would cost more than the wait. */
export const WORTH_A_REQUEST = 250;
