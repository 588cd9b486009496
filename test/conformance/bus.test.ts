import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import {
  type Bus,
  BusError,
  type ConsumeOptions,
  type IncomingRecord,
  type RecordBatch,
} from '../../src/bus/bus.ts';
import { createKafkaBus } from '../../src/bus/kafka-bus.ts';
import type { Topic, Topics } from '../../src/bus/topics.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { withDeadline } from '../../src/runtime/deadline.ts';
import { busForTests } from '../helpers/bus.ts';
import { kafkaForTests } from '../helpers/kafka.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const bytes = (text: string) => Buffer.from(text);

async function messageTopic(bus: Bus, topics: Topics, partitions = 1): Promise<Topic> {
  const topic = topics.messages(randomUUID(), partitions);
  await bus.createTopics([topic]);
  return topic;
}

/** Consumes until the end of the test, taking everything in. */
async function collect(t: TestContext, bus: Bus, topic: Topic, options: Partial<ConsumeOptions> = {}) {
  const records: IncomingRecord[] = [];
  const consumer = await bus.consume({
    groupId: topic.name,
    topics: [topic.name],
    maxWait: 200,
    eachBatch: async (batch) => {
      for (const record of batch.records) {
        records.push(record);
        batch.takenIn(record.offset);
      }
    },
    ...options,
  });
  t.after(() => consumer[Symbol.asyncDispose]());
  return { consumer, records };
}

test('topics are created once, listed and deleted', async (t) => {
  const { bus, topics } = await busForTests(t);
  const topic = topics.messages(randomUUID(), 3);
  await Promise.all([bus.createTopics([topic]), bus.createTopics([topic])]);
  await bus.createTopics([topic]);
  assert.ok((await bus.listTopics()).includes(topic.name));
  assert.equal((await bus.offsets(topic.name)).size, 3);
  await bus.deleteTopics([topic.name, 'never-there']);
  await waitUntil('the topic is gone', async () => !(await bus.listTopics()).includes(topic.name));
});

test('records of a key keep the order of the sends, whatever their number', async (t) => {
  const { bus, topics } = await busForTests(t);
  const topic = await messageTopic(bus, topics, 4);
  const { records } = await collect(t, bus, topic);
  const sends = Array.from({ length: 5000 }, (_, i) =>
    bus.send(topic.name, { key: `k${i % 7}`, value: bytes(String(i)) }),
  );
  await Promise.all(sends);
  await waitUntil('all are there', () => records.length >= 5000);
  assert.equal(records.length, 5000);
  for (let k = 0; k < 7; k++) {
    const values = records.filter(({ key }) => key === `k${k}`).map(({ value }) => Number(value?.toString()));
    assert.deepEqual(
      values,
      values.toSorted((a, b) => a - b),
    );
  }
});

test('records without a key spread over the partitions', async (t) => {
  const { bus, topics } = await busForTests(t);
  const topic = await messageTopic(bus, topics, 4);
  await Promise.all(
    Array.from({ length: 200 }, () => bus.send(topic.name, { key: null, value: bytes('x') })),
  );
  const ends = [...(await bus.offsets(topic.name)).values()].map(({ end }) => end);
  assert.equal(
    ends.reduce((sum, end) => sum + end, 0),
    200,
  );
  assert.ok(
    ends.every((end) => end > 0),
    `spread: ${ends}`,
  );
});

test('a record of 15 MB goes through, one beyond the limit is refused alone', async (t) => {
  const { bus, topics } = await busForTests(t);
  const topic = await messageTopic(bus, topics);
  const { records } = await collect(t, bus, topic);
  const small = bus.send(topic.name, { key: 'a', value: bytes('small') });
  const tooLarge = bus.send(topic.name, { key: 'a', value: Buffer.alloc(18_000_000) });
  const large = bus.send(topic.name, { key: 'a', value: Buffer.alloc(15_000_000, 7) });
  await assert.rejects(tooLarge, (error) => error instanceof BusError && error.reason === 'too-large');
  await Promise.all([small, large]);
  await waitUntil('both are there', () => records.length === 2);
  assert.equal(records[1]?.value?.byteLength, 15_000_000);
});

test('a record that its topic does not take is refused alone, whatever shares its batch', async (t) => {
  const { bus, topics } = await busForTests(t);
  const strict = topics.messages(randomUUID());
  const small = { ...strict, config: { ...strict.config, 'max.message.bytes': '1000' } };
  const other = await messageTopic(bus, topics);
  await bus.createTopics([small]);
  const value = (size: number) => Buffer.alloc(size, 1);
  const refused = bus.send(small.name, { key: 'a', value: value(5000) });
  const taken = [small, other, other].map(({ name }) => bus.send(name, { key: 'a', value: value(100) }));
  await assert.rejects(refused, (error) => error instanceof BusError && error.reason === 'too-large');
  await Promise.all(taken);
  assert.equal((await bus.offsets(small.name)).get(0)?.end, 1);
});

test('a topic that does not exist, or no longer, fails its own records and no others', async (t) => {
  const { bus, topics } = await busForTests(t);
  const gone = await messageTopic(bus, topics);
  const stays = await messageTopic(bus, topics);
  await bus.send(gone.name, { key: 'a', value: bytes('1') });
  await bus.deleteTopics([gone.name]);
  await waitUntil('the topic is gone', async () => !(await bus.listTopics()).includes(gone.name));
  const unknown = (error: unknown) => error instanceof BusError && error.reason === 'unknown-topic';
  await Promise.all([
    assert.rejects(bus.send(gone.name, { key: 'a', value: bytes('2') }), unknown),
    assert.rejects(bus.send('never-there', { key: 'a', value: bytes('2') }), unknown),
    bus.send(stays.name, { key: 'a', value: bytes('3') }),
  ]);
  await bus.send(stays.name, { key: 'a', value: bytes('4') });
  assert.equal((await bus.offsets(stays.name)).get(0)?.end, 2);
});

test('a consumer resumes at what was committed; what was not comes again', async (t) => {
  const { bus, topics } = await busForTests(t);
  const topic = await messageTopic(bus, topics);
  for (let i = 0; i < 10; i++) await bus.send(topic.name, { key: 'k', value: bytes(String(i)) });
  const first = await collect(t, bus, topic);
  await waitUntil('all are there', () => first.records.length === 10);
  await first.consumer.commit([{ topic: topic.name, partition: 0, offset: 4 }]);
  assert.deepEqual([...(await bus.committed(topic.name, topic.name))], [[0, 4]]);
  await first.consumer[Symbol.asyncDispose]();
  const second = await collect(t, bus, topic);
  await waitUntil('the rest is there', () => second.records.length === 6);
  assert.deepEqual(
    second.records.map(({ offset }) => offset),
    [4, 5, 6, 7, 8, 9],
  );
});

test('a batch that is not taken in is fetched again from there', async (t) => {
  const { bus, topics } = await busForTests(t);
  const topic = await messageTopic(bus, topics);
  for (let i = 0; i < 5; i++) await bus.send(topic.name, { key: 'k', value: bytes(String(i)) });
  const offsets: number[] = [];
  await collect(t, bus, topic, {
    eachBatch: async (batch: RecordBatch) => {
      const [first] = batch.records; // one at a time
      if (!first) return;
      offsets.push(first.offset);
      batch.takenIn(first.offset);
    },
  });
  await waitUntil('each came once', () => offsets.length === 5);
  assert.deepEqual(offsets, [0, 1, 2, 3, 4]);
});

test('a second member takes partitions over; the first is told and cannot commit them any more', async (t) => {
  const { bus, topics } = await busForTests(t);
  const topic = await messageTopic(bus, topics, 2);
  for (let i = 0; i < 20; i++) await bus.send(topic.name, { key: null, value: bytes(String(i)) });
  let owned: number[] = [];
  const first = await collect(t, bus, topic, {
    onAssigned: (now) => (owned = now.map(({ partition }) => partition)),
  });
  await waitUntil('all are there', () => first.records.length === 20);
  assert.deepEqual(owned.toSorted(), [0, 1]);
  const second = await collect(t, bus, topic);
  await waitUntil('each has one', () => owned.length === 1);
  const lost = owned[0] === 0 ? 1 : 0;
  await assert.rejects(first.consumer.commit([{ topic: topic.name, partition: lost, offset: 1 }]), /lost/);
  await waitUntil('the second reads what was not committed', () =>
    second.records.some(({ partition }) => partition === lost),
  );
});

test('a topic that comes later is waited for, and waiting can be given up', async (t) => {
  const { bus, topics } = await busForTests(t);
  const topic = topics.messages(randomUUID());
  const giveUp = new AbortController();
  const waiting = bus.consume({
    groupId: 'x',
    topics: ['never-there'],
    maxWait: 200,
    eachBatch: async () => {},
    signal: giveUp.signal,
  });
  const joined = collect(t, bus, topic);
  await bus.createTopics([topic]);
  await bus.send(topic.name, { key: 'k', value: bytes('1') });
  const { records } = await joined;
  await waitUntil('the record is there', () => records.length === 1);
  giveUp.abort(new Error('given up'));
  await assert.rejects(waiting, /given up/);
});

test('a consumer that is given up at any moment of its joining leaves no member behind', async (t) => {
  const { bus, topics } = await busForTests(t);
  const topic = await messageTopic(bus, topics);
  const groupIds = Array.from({ length: 24 }, (_, i) => `${topic.name}.${i}`);
  await Promise.all(
    groupIds.map(async (groupId, i) => {
      const giveUp = new AbortController();
      const eachBatch = async () => {};
      const joining = bus.consume({
        groupId,
        topics: [topic.name],
        maxWait: 200,
        eachBatch,
        signal: giveUp.signal,
      });
      setTimeout(() => giveUp.abort(new Error('given up')), 15 * i);
      await joining.then((consumer) => consumer[Symbol.asyncDispose]()).catch(() => {});
    }),
  );
  const admin = new kafkajs.Kafka({ brokers: (await kafkaForTests()).split(',') }).admin();
  t.after(() => admin.disconnect());
  const members = async () => {
    const { groups } = await admin.describeGroups(groupIds);
    return groups.flatMap((group) => group.members).length;
  };
  // Kafka itself forgets a member that is silent for 6 s; one that stayed would not be.
  await sleep(3000);
  await waitUntil('nobody is in any of the groups', async () => (await members()) === 0);
});

test('a consumer that waits for records leaves at once, and another one takes over', async (t) => {
  const { bus, topics } = await busForTests(t);
  const topic = await messageTopic(bus, topics);
  const { consumer } = await collect(t, bus, topic, { maxWait: 8000 });
  await sleep(500); // it waits for records now
  const begin = performance.now();
  await consumer[Symbol.asyncDispose]();
  assert.ok(performance.now() - begin < 2000, 'it did not wait for the end of its fetch');
  const { records } = await collect(t, bus, topic);
  await bus.send(topic.name, { key: 'k', value: bytes('1') });
  await waitUntil('the other one has it', () => records.length === 1, 4000);
});

test('what cannot be reached is an error with a deadline, not a hang', async (t) => {
  const bus = createKafkaBus({ brokers: ['127.0.0.1:1'], clientId: 'x', replication: 1 }, testDeps());
  t.after(() => bus[Symbol.asyncDispose]());
  await assert.rejects(bus.listTopics(), BusError);
});

test('a topic that was deleted does not hold up the others', async (t) => {
  const { bus, topics } = await busForTests(t);
  const [doomed, later] = [topics.messages('doomed'), topics.messages('later')];
  await bus.createTopics([doomed]);
  await bus.send(doomed.name, { key: null, value: Buffer.from('1') });
  await bus.deleteTopics([doomed.name]);
  await bus.createTopics([later]);
  const sent = bus.send(later.name, { key: null, value: Buffer.from('2') });
  await withDeadline(systemClock, 10_000, 'sending to another topic', sent);
});
