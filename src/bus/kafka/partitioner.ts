import kafkajs from 'kafkajs';

/** A record as it is given to kafkajs. */
export interface Message {
  readonly key: string | null;
  readonly value: Buffer | null;
  /** Picks the partition of a record without a key: drawn once, so that a retry writes to the same one. */
  readonly spread: number;
}

/** As the Java client for records with a key; without one by the number drawn for the record. */
export const spreadingPartitioner: typeof kafkajs.Partitioners.DefaultPartitioner = () => {
  const byKey = kafkajs.Partitioners.DefaultPartitioner();
  return (args) =>
    args.message.key === null || args.message.key === undefined
      ? Math.floor((args.message as unknown as Message).spread * args.partitionMetadata.length)
      : byKey(args);
};
