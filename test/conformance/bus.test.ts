import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { type Bus, BusError, type IncomingRecord } from '../../src/bus/bus.ts';
import { createKafkaBus } from '../../src/bus/kafka-bus.ts';
import type { Topic, Topics } from '../../src/bus/topics.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { withDeadline } from '../../src/runtime/deadline.ts';
import { busForTests } from '../helpers/bus.ts';
import { follow } from '../helpers/follow.ts';
import { kafkaTopic } from '../helpers/kafka-topic.ts';
import { onEnd } from '../helpers/on-end.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const bytes = (text: string) => Buffer.from(text);

async function messageTopic(bus: Bus, topics: Topics, partitions = 1): Promise<Topic> {
  const topic = topics.messages(randomUUID(), partitions);
  await bus.createTopics([topic]);
  return topic;
}

/** What is in a topic, and comes to it until the end of the test. */
async function collect(t: TestContext, bus: Bus, topic: Topic): Promise<readonly IncomingRecord[]> {
  const records: IncomingRecord[] = [];
  const followed = await follow(bus, [topic.name], (record) => {
    records.push({ ...record, value: record.value && Buffer.from(record.value) });
  });
  onEnd(t, () => followed[Symbol.dispose]());
  return records;
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
  const records = await collect(t, bus, topic);
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
  const records = await collect(t, bus, topic);
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

test('the offsets of many topics are told together, without those that are not there', async (t) => {
  const { bus, topics } = await busForTests(t);
  const all = [
    await messageTopic(bus, topics, 3),
    await messageTopic(bus, topics),
    await messageTopic(bus, topics),
  ];
  const [wide, cut, empty] = all.map(({ name }) => name) as [string, string, string];
  await Promise.all(['a', 'b', 'c', 'd'].map((key) => bus.send(wide, { key, value: bytes('1') })));
  for (const value of ['1', '2', '3']) await bus.send(cut, { key: 'a', value: bytes(value) });
  await bus.deleteRecords(cut, new Map([[0, 2]]));
  const told = await bus.offsetsOfTopics([wide, 'never-there', cut, empty]);
  assert.deepEqual([...told.keys()].toSorted(), [wide, cut, empty].toSorted());
  for (const name of [wide, cut, empty]) assert.deepEqual(told.get(name), await bus.offsets(name));
  assert.deepEqual(told.get(cut), new Map([[0, { start: 2, end: 3 }]]));
  assert.equal(
    [...told.get(wide)!.values()].reduce((sum, { end }) => sum + end, 0),
    4,
  );
  assert.deepEqual(await bus.offsetsOfTopics([]), new Map());
});

test('topics that may grow without end are bounded; what somebody has bounded stays as it is', async (t) => {
  const { bus, topics } = await busForTests(t);
  const plain = await kafkaTopic(t);
  const endless = await kafkaTopic(t, 1, { 'retention.bytes': '-1', 'retention.ms': '77777777' });
  const small = await kafkaTopic(t, 1, { 'retention.bytes': '5000000' });
  const inParts = await kafkaTopic(t, 1, { 'segment.bytes': '50000000' });
  const all = [plain, endless, small, inParts];
  const own = all.map(({ name }) => name);
  await bus.keepBounds([...own, 'never-there'], topics.deadLetterBounds);
  await bus.keepBounds(own, { 'retention.bytes': '7', 'segment.bytes': '35651584' });
  const values = await Promise.all(
    all.map((topic) => topic.values('retention.bytes', 'segment.bytes', 'retention.ms')),
  );
  const bounds = topics.deadLetterBounds;
  const found = values.map((one) => [one['retention.bytes'], one['segment.bytes']]);
  assert.deepEqual(found, [
    [bounds['retention.bytes'], bounds['segment.bytes']],
    [bounds['retention.bytes'], bounds['segment.bytes']],
    ['5000000', String(1 << 30)],
    [bounds['retention.bytes'], '50000000'],
  ]);
  assert.equal(values[1]?.['retention.ms'], '77777777', 'what else was set stays');
});

test('a topic that is only compacted is deleted from by age, too; what somebody has set stays as it is', async (t) => {
  const { bus, topics } = await busForTests(t);
  const all = [
    await kafkaTopic(t, 1, { 'cleanup.policy': 'compact' }),
    await kafkaTopic(t, 1, { 'cleanup.policy': 'compact', 'retention.ms': '77777777' }),
    await kafkaTopic(t, 1, { 'cleanup.policy': 'delete' }),
    await kafkaTopic(t, 1, { 'cleanup.policy': 'compact', 'segment.bytes': '50000000' }),
  ];
  const own = all.map(({ name }) => name);
  await bus.keepRetention([...own, 'never-there'], topics.sessionRetention);
  const values = await Promise.all(
    all.map((topic) => topic.values('cleanup.policy', 'retention.ms', 'segment.bytes')),
  );
  assert.deepEqual(
    values.map((one) => [one['cleanup.policy'], one['retention.ms']]),
    [
      ['compact,delete', '86400000'],
      ['compact,delete', '77777777'],
      ['delete', '604800000'],
      ['compact,delete', '86400000'],
    ],
  );
  assert.equal(values[3]?.['segment.bytes'], '50000000', 'what else was set stays');
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
