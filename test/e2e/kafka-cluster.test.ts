import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createKafkaBus } from '../../src/bus/kafka-bus.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { onEnd } from '../helpers/on-end.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { kafkaCluster } from './kit/kafka-cluster.ts';
import { diskMissing } from './kit/limited-disk.ts';

const noDisk = diskMissing();
const cluster = kafkaCluster({ lastDisk: noDisk === undefined ? 128 << 20 : undefined });

test('a Kafka of three nodes moves its leaders, loses one, and restarts one after the other', async (t) => {
  const began = performance.now();
  const kafka = await cluster();
  t.diagnostic(`started in ${Math.round(performance.now() - began)} ms`);
  const bus = createKafkaBus(
    { brokers: kafka.brokers.split(','), clientId: 'test', replication: -1 },
    testDeps(),
  );
  onEnd(t, () => bus[Symbol.asyncDispose]());
  const topic = topicsOf('t').messages('i', 3);
  await bus.createTopics([topic]);
  await bus.send(topic.name, { key: 'c', value: Buffer.from('1') });
  await kafka.inSync();

  await t.test('every leader moves to its next replica', async () => {
    const before = await kafka.leaderOf(topic.name);
    await kafka.moveLeaders((name) => name === topic.name);
    const after = await kafka.leaderOf(topic.name);
    assert.notEqual(after, before);
  });

  await t.test('another node leads when the leader is killed', async () => {
    const killed = await kafka.leaderOf(topic.name);
    await kafka.killNode(killed);
    await bus.send(topic.name, { key: 'c', value: Buffer.from('2') });
    assert.notEqual(await kafka.leaderOf(topic.name), killed);
    await kafka.startNode(killed);
    await kafka.inSync();
  });

  await t.test('it takes records while one after the other restarts', async () => {
    const at = performance.now();
    await kafka.rollingRestart();
    t.diagnostic(`restarted in ${Math.round(performance.now() - at)} ms`);
    await bus.send(topic.name, { key: 'c', value: Buffer.from('3') });
    const ends = [...(await bus.offsets(topic.name)).values()].map(({ end }) => end);
    assert.equal(Math.max(...ends), 3);
  });

  await t.test(
    'a node whose disk is full ends, and comes back when there is room',
    { skip: noDisk ?? false },
    async () => {
      const sending = setInterval(() => {
        bus.send(topic.name, { key: 'c', value: Buffer.alloc(10_000) }).catch(() => {});
      }, 20);
      try {
        const ended = await kafka.fillDisk();
        assert.notEqual(await kafka.leaderOf(topic.name), ended);
        await kafka.freeDisk();
      } finally {
        clearInterval(sending);
      }
    },
  );
});
