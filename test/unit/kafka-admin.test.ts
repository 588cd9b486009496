import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Kafka } from 'kafkajs';
import { Admin } from '../../src/bus/kafka/admin.ts';
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
