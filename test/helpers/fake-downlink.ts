import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { DownlinkRecordSchema } from '../../gen/penstock/v1/downlink_pb.ts';
import type { Integration } from '../../gen/penstock/v1/integration_pb.ts';
import type { Bus, Claim, FeedOptions, JoinOptions } from '../../src/bus/bus.ts';

/** The downlink topic of a type, of which one executor has what it is given, and reads what it is told to. */
export class FakeDownlink {
  readonly bus: Bus;
  readonly #joined = Promise.withResolvers<void>();
  readonly #feeds = new Map<number, FeedOptions>();
  #options: JoinOptions | undefined;

  /** @param bus does everything else */
  constructor(bus: Bus) {
    this.bus = {
      ...bus,
      join: (options) => {
        const isDownlink = options.topics.every((topic) => topic.includes('.downlink.'));
        if (isDownlink) this.#options = options;
        return {
          joined: isDownlink ? this.#joined.promise : Promise.resolve(),
          holdsLease: () => true,
          committed: async () => [],
          members: async () => new Set(['m']),
          async [Symbol.asyncDispose]() {},
        };
      },
      feed: (options) => {
        if (!options.topic.includes('.downlink.')) return bus.feed(options);
        this.#feeds.set(options.partition, options);
        return { resume() {}, backlog: async () => 0, [Symbol.dispose]() {} };
      },
    };
  }

  /** The first assignment. */
  assign(...partitions: readonly number[]): void {
    const topic = this.#options!.topics[0]!;
    for (const partition of partitions) {
      const held = { member: 'm', isOver: false, isHeld: () => true };
      const claim: Claim = { topic, partition, ...held, async commit() {} };
      this.#options!.onGained(claim);
    }
    this.#joined.resolve();
  }

  /** A fetch brings a record, of a partition that ends at `end`. `integration` undefined: a tombstone. */
  read(partition: number, offset: number, end: number, id: string, integration?: Integration): void {
    this.readRecord(partition, offset, end, id, integration && { integration });
  }

  /** The same, with any record. */
  readRecord(
    partition: number,
    offset: number,
    end: number,
    id: string,
    record: MessageInitShape<typeof DownlinkRecordSchema> | undefined,
  ): void {
    const { topic, take, onPosition } = this.#feeds.get(partition)!;
    onPosition?.(offset, end);
    const value = record && toBinary(DownlinkRecordSchema, create(DownlinkRecordSchema, record));
    take({ topic, partition, offset, timestamp: 0, key: id, value: value ?? null });
    onPosition?.(offset + 1, end);
  }

  /** A fetch says that the partition is empty. */
  readNothing(partition: number): void {
    this.#feeds.get(partition)!.onPosition?.(0, 0);
  }
}
