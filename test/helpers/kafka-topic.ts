import { randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import kafkajs, { type IHeaders } from 'kafkajs';
import { stopBusyTimer } from '../../src/kafkajs/request-queue.ts';
import { kafkaForTests } from './kafka.ts';
import { onEnd } from './on-end.ts';
import { waitUntil } from './wait-until.ts';

export interface Read {
  readonly partition: number;
  readonly key: string | null;
  readonly value: Buffer | null;
  readonly headers: IHeaders;
}

/** A topic of the test's own on the Kafka of the tests, removed after it. */
export async function kafkaTopic(
  t: TestContext,
  partitions = 1,
  config: Readonly<Record<string, string>> = {},
) {
  const broker = await kafkaForTests();
  stopBusyTimer();
  const kafka = new kafkajs.Kafka({ brokers: [broker], logLevel: kafkajs.logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  const name = `test-${randomUUID()}`;
  const create = async (numPartitions: number) => {
    const configEntries = Object.entries(config).map(([key, value]) => ({ name: key, value }));
    await admin.createTopics({
      topics: [{ topic: name, numPartitions, configEntries }],
      waitForLeaders: false, // which kafkajs gives up while the node does not know the topic yet
    });
    await waitUntil('the topic has its leaders', () =>
      admin.fetchTopicMetadata({ topics: [name] }).then(
        ({ topics }) => topics[0]?.partitions.length === numPartitions,
        () => false,
      ),
    );
  };
  if (partitions > 0) await create(partitions);
  onEnd(t, async () => {
    await admin.deleteTopics({ topics: [name] }).catch(() => {}); // it may never have been there
    await admin.disconnect();
  });
  return {
    name,
    broker,
    create,
    delete: () => admin.deleteTopics({ topics: [name] }),
    /** What it is configured as. */
    async values(...configNames: readonly string[]): Promise<Record<string, string>> {
      const resources = [{ type: kafkajs.ConfigResourceTypes.TOPIC, name, configNames: [...configNames] }];
      const { resources: found } = await admin.describeConfigs({ resources, includeSynonyms: false });
      return Object.fromEntries(found[0]!.configEntries.map((one) => [one.configName, one.configValue]));
    },
    /** How many records it has. */
    async count(): Promise<number> {
      return (await admin.fetchTopicOffsets(name)).reduce((sum, { high }) => sum + Number(high), 0);
    },
    /** So many records, or all there are when it has more: in the order of each partition. */
    async read(count: number): Promise<readonly Read[]> {
      const records: Read[] = [];
      const consumer = kafka.consumer({ groupId: randomUUID(), maxWaitTimeInMs: 50 });
      onEnd(t, () => consumer.disconnect());
      await consumer.connect();
      await consumer.subscribe({ topic: name, fromBeginning: true });
      await consumer.run({
        async eachMessage({ partition, message: { key, value, headers } }) {
          records.push({
            partition,
            key: key?.toString() ?? null,
            value,
            headers: headers ?? {},
          });
        },
      });
      await waitUntil(`${count} records`, () => records.length >= count);
      return records;
    },
  };
}
