import { fromBinary } from '@bufbuild/protobuf';
import { DownlinkRecordSchema } from '../../gen/penstock/v1/downlink_pb.ts';
import type { Feed, FeedOptions, OutgoingRecord } from '../../src/bus/bus.ts';
import { partitionOfKey } from '../../src/kafkajs/key-partition.ts';

const PARTITIONS = 12;

export const partitionOf = (key: string): number => partitionOfKey(key, PARTITIONS);

interface Logged extends OutgoingRecord {
  readonly topic: string;
  readonly key: string;
  readonly generation: number;
  readonly isGone: boolean;
}

/** Stands in for Kafka's downlink topics where a test says what becomes of each record; keeps what it took. */
export class FaultyBus {
  readonly deleted: string[] = [];
  /** Why a record is not taken. */
  fails: (key: string, generation: number) => Error | undefined = () => undefined;
  /** Whether no answer comes for now. */
  hangs: (key: string) => boolean = () => false;
  readonly #log: Logged[] = [];
  readonly #feeds = new Set<FeedOptions>();
  #held: ((error?: Error) => void)[] = [];

  async send(topic: string, { key, value }: OutgoingRecord): Promise<void> {
    const record = value && fromBinary(DownlinkRecordSchema, value);
    const generation = Number(record?.integration?.generation ?? 0n);
    const error = this.fails(key!, generation);
    if (error) throw error;
    if (this.hangs(key!)) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.#held.push((failure) => (failure ? reject(failure) : resolve()));
      await promise;
    }
    this.#take({ topic, key: key!, value, generation, isGone: record?.gone !== undefined });
  }

  #take(logged: Logged): void {
    this.#log.push(logged);
    for (const feed of this.#feeds) this.#bring(feed, logged);
  }

  /** How many records wait for their answer. */
  get hanging(): number {
    return this.#held.length;
  }

  /** What hangs is taken, or fails. */
  letGo(error?: Error): void {
    const held = this.#held;
    this.#held = [];
    for (const one of held) one(error);
  }

  /** A record of this key and generation lands once more. */
  repeat(key: string, generation: number): void {
    this.#take(this.#log.find((one) => one.key === key && one.generation === generation)!);
  }

  /** The last record of a key lands under another one. */
  repeatAs(key: string, other: string): void {
    this.#take({ ...this.#log.findLast((one) => one.key === key)!, key: other });
  }

  feed(options: FeedOptions): Feed {
    this.#feeds.add(options);
    options.onPosition?.(0, this.#log.length);
    for (const logged of this.#log) this.#bring(options, logged);
    options.onPosition?.(this.#log.length, this.#log.length);
    return {
      resume() {},
      backlog: async () => 0,
      [Symbol.dispose]: () => this.#feeds.delete(options),
    };
  }

  #bring({ topic, partition, take }: FeedOptions, { key, value, ...logged }: Logged): void {
    if (logged.topic !== topic || partitionOf(key) !== partition) return;
    take({ topic, partition, offset: this.#log.length, timestamp: 0, key, value });
  }

  async listTopics(): Promise<readonly string[]> {
    return [...new Set(this.#log.map(({ topic }) => topic))];
  }

  async deleteTopics(names: readonly string[]): Promise<void> {
    const error = this.fails('delete', 0);
    if (error) throw error;
    this.deleted.push(...names);
  }

  /** The generations that a key has had, in order; 0 is a tombstone. */
  generations(key: string): number[] {
    return this.#log.filter((one) => one.key === key && !one.isGone).map(({ generation }) => generation);
  }
}
