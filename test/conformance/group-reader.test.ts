import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import type { Bus, IncomingRecord } from '../../src/bus/bus.ts';
import { GroupReader, type RecordBatch } from '../../src/bus/group-reader.ts';
import type { Topic } from '../../src/bus/topics.ts';
import { busForTests } from '../helpers/bus.ts';
import { kafkaForTests } from '../helpers/kafka.ts';
import { onEnd } from '../helpers/on-end.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

async function topicForTests(t: TestContext, records: number, partitions = 1) {
  const { bus, topics } = await busForTests(t);
  const topic = topics.messages(randomUUID(), partitions);
  await bus.createTopics([topic]);
  await fill(bus, topic, records);
  return { bus, topics, topic };
}

async function fill(bus: Bus, topic: Topic, count: number): Promise<void> {
  const sends = Array.from({ length: count }, (_, i) =>
    bus.send(topic.name, { key: `k${i % 16}`, value: Buffer.from(String(i)) }),
  );
  await Promise.all(sends);
}

/** A reader that keeps what it gets, in a group of the topic's name; disposed after the test. */
function reading(
  t: TestContext,
  bus: Bus,
  topic: string,
  {
    groupId = topic,
    work = async () => {},
  }: { groupId?: string; work?: (batch: RecordBatch) => Promise<void> } = {},
) {
  const records: IncomingRecord[] = [];
  const eachBatch = async (batch: RecordBatch) => {
    records.push(...batch.records);
    await work(batch);
  };
  const reader = new GroupReader({ groupId, topics: [topic], eachBatch }, { ...testDeps(), bus });
  onEnd(t, () => reader[Symbol.asyncDispose]());
  return { reader, records };
}

const partitionsOf = (records: readonly IncomingRecord[]) =>
  new Set(records.map(({ partition }) => partition));

test('every record comes once, in order, and is committed', async (t) => {
  const { bus, topic } = await topicForTests(t, 3000, 3);
  const largest = { batch: 0 };
  const { records } = reading(t, bus, topic.name, {
    async work(batch) {
      largest.batch = Math.max(largest.batch, batch.records.length);
      assert.ok(batch.endOffset > batch.records.at(-1)!.offset);
    },
  });
  await waitUntil('all are there', () => records.length >= 3000);
  assert.equal(records.length, 3000);
  for (const ofPartition of Map.groupBy(records, ({ partition }) => partition).values()) {
    assert.deepEqual(
      ofPartition.map(({ offset }) => offset),
      ofPartition.map((_, i) => i),
    );
  }
  assert.ok(largest.batch <= 500, `${largest.batch} records at a time`);
  const ends = [...(await bus.offsets(topic.name))].map(([partition, { end }]) => [partition, end]);
  const isCommitted = async () => {
    const committed = await bus.committed(topic.name, topic.name);
    return ends.every(([partition, end]) => committed.get(partition!)?.offset === end);
  };
  await waitUntil('all of it is committed', isCommitted);
});

test('who comes later goes on where the group stopped; what was not done comes again', async (t) => {
  const { bus, topic } = await topicForTests(t, 10);
  const first = reading(t, bus, topic.name);
  await waitUntil('all are there', () => first.records.length === 10);
  const isCommitted = async () => (await bus.committed(topic.name, topic.name)).get(0)?.offset === 10;
  await waitUntil('all of it is committed', isCommitted);
  await first.reader[Symbol.asyncDispose]();
  await fill(bus, topic, 5);
  const hanging = reading(t, bus, topic.name, { work: () => new Promise(() => {}) });
  await waitUntil('it has begun', () => hanging.records.length > 0);
  await hanging.reader[Symbol.asyncDispose]();
  const last = reading(t, bus, topic.name);
  await waitUntil('they come again', () => last.records.length >= 5);
  assert.deepEqual(
    last.records.map(({ offset }) => offset),
    [10, 11, 12, 13, 14],
  );
});

test('what fails comes again after a pause, before what follows', async (t) => {
  const { bus, topic } = await topicForTests(t, 3);
  let failures = 0;
  const { records } = reading(t, bus, topic.name, {
    async work() {
      if (failures++ < 2) throw new Error('not now');
    },
  });
  await waitUntil('it has failed', () => failures > 0);
  await fill(bus, topic, 1);
  await waitUntil('the last is there', () => records.at(-1)?.offset === 3);
  const first = records.findIndex(({ offset }) => offset === 3);
  assert.ok(records.slice(0, first).filter(({ offset }) => offset === 0).length >= 3);
});

test('while one batch takes its time, the others go on, the membership stays, and little more is taken', async (t) => {
  const { bus, topic } = await topicForTests(t, 4000, 2);
  const isDone = Promise.withResolvers<void>();
  const { records } = reading(t, bus, topic.name, {
    work: ({ partition }) => (partition === 0 ? isDone.promise : Promise.resolve()),
  });
  const { end } = (await bus.offsets(topic.name)).get(1)!;
  const ofPartition = (wanted: number) => records.filter(({ partition }) => partition === wanted).length;
  await waitUntil('all of the other partition is there', () => ofPartition(1) === end);
  const held = ofPartition(0);
  await sleep(7000); // longer than a session
  assert.equal(ofPartition(0), held);
  isDone.resolve();
  await waitUntil('all are there', () => records.length >= 4000);
  assert.equal(records.length, 4000, 'nothing came twice');
});

test('a second member takes a partition over when the batch that is worked on is done and committed', async (t) => {
  const { bus, topic } = await topicForTests(t, 40, 2);
  const isDone = Promise.withResolvers<void>();
  const first = reading(t, bus, topic.name, { work: () => isDone.promise });
  await waitUntil('it works on both', () => partitionsOf(first.records).size === 2);
  const second = reading(t, bus, topic.name);
  await second.reader.joined;
  setTimeout(() => isDone.resolve(), 300);
  await fill(bus, topic, 40);
  await waitUntil('all are there', () => first.records.length + second.records.length >= 80);
  await waitUntil('the second has one', () => partitionsOf(second.records).size === 1);
  const all = [...first.records, ...second.records].map(({ partition, offset }) => `${partition}/${offset}`);
  assert.equal(new Set(all).size, all.length, 'nothing came to both');
});

test('a topic that comes later is waited for; who does not wait for it leaves', async (t) => {
  const { bus, topics } = await busForTests(t);
  const topic = topics.messages(randomUUID());
  const inVain = reading(t, bus, 'never-there');
  const { records, reader } = reading(t, bus, topic.name);
  await sleep(500);
  await bus.createTopics([topic]);
  await reader.joined;
  await fill(bus, topic, 1);
  await waitUntil('the record is there', () => records.length === 1);
  await inVain.reader[Symbol.asyncDispose]();
});

test('a reader that ends at any moment of its joining leaves no member behind', async (t) => {
  const { bus, topic } = await topicForTests(t, 1);
  const groupIds = Array.from({ length: 24 }, (_, i) => `${topic.name}.${i}`);
  await Promise.all(
    groupIds.map(async (groupId, i) => {
      const { reader } = reading(t, bus, topic.name, { groupId });
      await sleep(15 * i);
      await reader[Symbol.asyncDispose]();
    }),
  );
  const admin = new kafkajs.Kafka({ brokers: (await kafkaForTests()).split(',') }).admin();
  onEnd(t, () => admin.disconnect());
  const members = async () => {
    const { groups } = await admin.describeGroups(groupIds);
    return groups.flatMap((group) => group.members).length;
  };
  // Kafka itself forgets a member that is silent for 6 s; one that stayed would not be.
  await sleep(3000);
  await waitUntil('nobody is in any of the groups', async () => (await members()) === 0);
});

test('a reader that waits for records leaves at once, and another one takes over', async (t) => {
  const { bus, topic } = await topicForTests(t, 0);
  const { reader } = reading(t, bus, topic.name);
  await reader.joined;
  await reader[Symbol.asyncDispose]();
  const other = reading(t, bus, topic.name);
  await fill(bus, topic, 1);
  await waitUntil('the other one has it', () => other.records.length === 1, 4000);
});
