import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Kafka } from 'kafkajs';
import { Admin } from '../../src/bus/kafka/admin.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { protocolError } from '../../src/kafkajs/protocol-error.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

const UNKNOWN_TOPIC = 3;
const NOT_LEADER = 6;

/** An admin whose client is told an error so many times before it is told the offsets. */
function world(code: number, times: number) {
  const clock = new FakeClock();
  let asked = 0;
  const admin = {
    connect: async () => {},
    disconnect: async () => {},
    fetchTopicOffsets: async () => {
      if (asked++ < times) throw protocolError(code);
      return [{ partition: 0, low: '3', high: '7' }];
    },
  };
  const kafka = { admin: () => admin } as unknown as Kafka;
  return { clock, admin: new Admin(kafka, clock, { replication: 1 }), asked: () => asked };
}

test('the offsets are asked for again while a partition changes its leader, and not for ever', async () => {
  const moving = world(NOT_LEADER, 3);
  const offsets = moving.admin.offsets('t');
  await moving.clock.advance(2000);
  assert.deepEqual(await offsets, new Map([[0, { start: 3, end: 7 }]]));
  const stuck = world(NOT_LEADER, Number.POSITIVE_INFINITY);
  const rejected = assert.rejects(stuck.admin.offsets('t'), /not the leader/);
  await stuck.clock.advance(60_000);
  await rejected;
});

test('a topic that is missing is told at once', async () => {
  const missing = world(UNKNOWN_TOPIC, 9);
  await assert.rejects(missing.admin.offsets('t'), { reason: 'unknown-topic' });
  assert.equal(missing.asked(), 1);
});

test('who lets a topic grow is answered when its new partitions are known, and led', async () => {
  const clock = new FakeClock();
  const leaders = [1];
  const admin = {
    connect: async () => {},
    disconnect: async () => {},
    listTopics: async () => ['t'],
    fetchTopicMetadata: async () => ({
      topics: [{ name: 't', partitions: leaders.map((leader, partitionId) => ({ partitionId, leader })) }],
    }),
    createPartitions: async () => {
      clock.setTimer(() => leaders.push(-1, -1), 500); // the node that is asked hears of it later
      clock.setTimer(() => leaders.fill(1), 1000);
    },
  };
  const kafka = { admin: () => admin } as unknown as Kafka;
  const created = new Admin(kafka, clock, { replication: 1 }).createTopics([
    { ...topicsOf('').messages('a'), name: 't', partitions: 3 },
  ]);
  let isDone = false;
  void created.then(() => {
    isDone = true;
  });
  await clock.advance(900);
  assert.equal(isDone, false);
  await clock.advance(1000);
  assert.equal(isDone, true);
});
