import { randomUUID } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import kafkajs from 'kafkajs';
import { DownlinkRecordSchema } from '../../../gen/penstock/v1/downlink_pb.ts';
import { PayloadContentType } from '../../../gen/penstock/v1/payload_pb.ts';
import type { Bus } from '../../../src/bus/bus.ts';
import type { Topic, Topics } from '../../../src/bus/topics.ts';
import { partitionOfKey } from '../../../src/kafkajs/key-partition.ts';

/** Small segments that Kafka may clean at once, and tombstones that go with the next cleaning: it does so when it does. */
const COMPACTED_AT_ONCE = {
  'cleanup.policy': 'compact',
  'segment.bytes': '1048576',
  'segment.ms': '300',
  'min.cleanable.dirty.ratio': '0.01',
  'min.compaction.lag.ms': '0',
  'delete.retention.ms': '0',
};

/** Partitions of a downlink topic with a fate of their own; all others hold integrations. */
const PARTITION = { empty: 0, emptied: 1, endsWithoutRecord: 2 } as const;

/** Writes integrations of type `http` into the compacted downlink topic of a Kafka, as control planes do over the years. */
export class DownlinkTopic {
  readonly topic: Topic;
  readonly #bus: Bus;

  constructor(bus: Bus, topics: Topics) {
    this.#bus = bus;
    this.topic = { ...topics.downlink('http'), config: COMPACTED_AT_ONCE };
  }

  async make(): Promise<void> {
    await this.#bus.createTopics([this.topic]);
  }

  /** New ids, in the partitions that hold integrations; or those of one other partition. */
  ids(count: number, fate?: keyof typeof PARTITION): readonly string[] {
    const found: string[] = [];
    while (found.length < count) {
      const id = randomUUID();
      const partition = partitionOfKey(id, this.topic.partitions);
      const isPlain = partition > PARTITION.endsWithoutRecord;
      if (fate ? partition === PARTITION[fate] : isPlain) found.push(id);
    }
    return found;
  }

  /** `url` of the endpoint that an integration sends to. */
  write(
    ids: readonly string[],
    { generation, enabled }: { readonly generation: bigint; readonly enabled: boolean },
    url: (id: string) => string,
  ): Promise<void> {
    return this.#sendAll(ids, (id) => {
      const value = { restEndpointUrl: url(id), payloadContentType: PayloadContentType.JSON };
      const integration = {
        id,
        name: id,
        enabled,
        topicFilters: [`load/${id}`],
        generation,
        configuration: { case: 'http' as const, value },
      };
      return toBinary(DownlinkRecordSchema, create(DownlinkRecordSchema, { integration }));
    });
  }

  remove(ids: readonly string[]): Promise<void> {
    return this.#sendAll(ids, () => null);
  }

  /** The last offset of a partition holds nothing that a consumer sees, as when compaction took its last records away. */
  async endWithoutRecord(brokers: string): Promise<void> {
    const kafka = new kafkajs.Kafka({ brokers: [brokers], logLevel: kafkajs.logLevel.NOTHING });
    const producer = kafka.producer({
      transactionalId: this.topic.name,
      idempotent: true,
      maxInFlightRequests: 1,
    });
    await producer.connect();
    const transaction = await producer.transaction();
    const partition = PARTITION.endsWithoutRecord;
    await transaction.send({
      topic: this.topic.name,
      messages: [{ key: randomUUID(), value: 'x', partition }],
    });
    await transaction.abort();
    await producer.disconnect();
  }

  /** How many records there are now. */
  async count(): Promise<number> {
    const { name } = this.topic;
    let count = 0;
    const eachBatch = async (records: readonly unknown[]) => {
      count += records.length;
    };
    const ranges = await this.#bus.offsets(name);
    await this.#bus.read({ topic: name, ranges, isCompacted: true, eachBatch });
    return count;
  }

  async #sendAll(ids: readonly string[], value: (id: string) => Uint8Array | null): Promise<void> {
    await Promise.all(ids.map((key) => this.#bus.send(this.topic.name, { key, value: value(key) })));
  }
}
