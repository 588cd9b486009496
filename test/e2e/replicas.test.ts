import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import kafkajs from 'kafkajs';
import { createKafkaBus } from '../../src/bus/kafka-bus.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { controlPlaneForTests } from '../helpers/control-plane.ts';
import { onEnd } from '../helpers/on-end.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';
import { kafkaCluster } from './kit/kafka-cluster.ts';

const NAME = 'min.insync.replicas';
const SET_FOR_THE_TOPIC = 1;

const cluster = kafkaCluster();

test('topics on a Kafka of three nodes', { timeout: 240_000 }, async (t) => {
  const brokers = (await cluster()).brokers.split(',');
  const admin = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  onEnd(t, () => admin.disconnect());
  const topics = topicsOf('t');
  const busOf = (replication: number, minInsyncReplicas = 2) => {
    const config = { brokers, clientId: 'test', replication, minInsyncReplicas };
    const bus = createKafkaBus(config, testDeps());
    onEnd(t, () => bus[Symbol.asyncDispose]());
    return bus;
  };
  const byDefault = busOf(-1);
  /** How many nodes must have what is acknowledged, if the topic itself is set so. */
  const required = async (name: string) => {
    const resources = [{ type: kafkajs.ConfigResourceTypes.TOPIC, name, configNames: [NAME] }];
    const { resources: found } = await admin.describeConfigs({ resources, includeSynonyms: false });
    const [entry] = found[0]!.configEntries;
    return entry?.configSource === SET_FOR_THE_TOPIC ? Number(entry.configValue) : undefined;
  };
  /** Nodes hear of it one after the other, and any of them may be asked. */
  const becomes = (name: string, expected: number | undefined) =>
    waitUntil(`${expected} of ${name}`, () =>
      required(name).then(
        (found) => found === expected,
        () => false, // not heard of yet
      ),
    );
  const created = async (bus = byDefault) => {
    const topic = topics.messages(randomUUID(), 2);
    await bus.createTopics([topic]);
    return topic.name;
  };
  const foreign = async (configEntries: { name: string; value: string }[], replicationFactor = 3) => {
    const topic = topics.messages(randomUUID()).name;
    await admin.createTopics({ topics: [{ topic, replicationFactor, configEntries }] });
    return topic;
  };

  await t.test(
    'two of three nodes must have what is acknowledged, whoever chose that there are three',
    async () => {
      await becomes(await created(), 2);
      await becomes(await created(busOf(3)), 2);
    },
  );

  await t.test(
    'a topic with no node to spare is left as it is, and so is any when that is wanted',
    async () => {
      for (const bus of [busOf(2), busOf(1), busOf(-1, 0)]) await becomes(await created(bus), undefined);
    },
  );

  await t.test('topics that were there are brought to it, unless somebody has set them', async () => {
    const [plain, other, own, narrow] = [
      await foreign([]),
      await foreign([{ name: 'retention.ms', value: '77777777' }]),
      await foreign([{ name: NAME, value: '1' }]),
      await foreign([], 2),
    ];
    const gone = topics.messages(randomUUID()).name;
    const { nodes, replicas } = await byDefault.keepReplicas([plain, other, own, narrow, gone]);
    assert.equal(nodes, 3);
    assert.deepEqual(
      [...replicas].toSorted(),
      [
        [plain, 3],
        [other, 3],
        [own, 3],
        [narrow, 2],
      ].toSorted(),
    );
    await becomes(plain, 2);
    await becomes(other, 2);
    await becomes(own, 1);
    await becomes(narrow, undefined);
    const resources = [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: other }];
    const { resources: found } = await admin.describeConfigs({ resources, includeSynonyms: false });
    const retention = found[0]!.configEntries.find(({ configName }) => configName === 'retention.ms');
    assert.equal(retention?.configValue, '77777777', 'what else was set stays');
  });

  await t.test('a control plane whose topics are on one node says so in the list of nodes', async (t) => {
    const { cluster } = await controlPlaneForTests(t, {}, { bus: busOf(1), topics: topicsOf('single') });
    await waitUntil('it warns', async () => {
      const [node] = (await cluster.listNodes({})).nodes;
      return /on one node of a Kafka of 3.*PENSTOCK_KAFKA_REPLICATION/.test(node?.warnings[0] ?? '');
    });
  });
});
