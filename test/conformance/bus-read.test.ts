import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import { type Bus, BusError, type Claim, type IncomingRecord, type OffsetRange } from '../../src/bus/bus.ts';
import type { Topic } from '../../src/bus/topics.ts';
import { busForTests } from '../helpers/bus.ts';
import { kafkaForTests } from '../helpers/kafka.ts';
import { onEnd } from '../helpers/on-end.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const bytes = (text: string) => Buffer.from(text);

/** A topic with so many records, `k0=0`, `k1=1`, … in turn on its partitions. */
async function filledTopic(t: TestContext, count: number, partitions = 1) {
  const { bus, topics } = await busForTests(t);
  const topic = topics.messages(randomUUID(), partitions);
  await bus.createTopics([topic]);
  await fill(bus, topic, count);
  return { bus, topics, topic };
}

async function fill(bus: Bus, topic: Topic, count: number): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, (_, i) =>
      bus.send(topic.name, { key: `k${i % 16}`, value: bytes(String(i)) }),
    ),
  );
}

type Ranges = ReadonlyMap<number, OffsetRange>;

async function readAll(bus: Bus, topic: Topic, ranges?: Ranges): Promise<IncomingRecord[]> {
  const records: IncomingRecord[] = [];
  await bus.read({
    topic: topic.name,
    ranges: ranges ?? (await bus.offsets(topic.name)),
    eachBatch: async (batch) => void records.push(...batch),
  });
  return records;
}

const range = (start: number, end: number): Ranges => new Map([[0, { start, end }]]);
const offsetsOf = (records: readonly IncomingRecord[]) => records.map(({ offset }) => offset);
const from = (start: number, end: number) => Array.from({ length: end - start }, (_, i) => start + i);

async function groupsOf(topic: Topic): Promise<string[]> {
  const brokers = (await kafkaForTests()).split(',');
  const admin = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    const { groups } = await admin.listGroups();
    return groups.map(({ groupId }) => groupId).filter((groupId) => groupId.startsWith(topic.name));
  } finally {
    await admin.disconnect();
  }
}

test('reading brings every record of every partition once, in order, and leaves no group behind', async (t) => {
  const { bus, topic } = await filledTopic(t, 5000, 3);
  const records = await readAll(bus, topic);
  const ends = await bus.offsets(topic.name);
  assert.equal(records.length, 5000);
  for (const [partition, { end }] of ends) {
    assert.deepEqual(offsetsOf(records.filter((record) => record.partition === partition)), from(0, end));
  }
  assert.equal(new Set(records.map(({ value }) => String(value))).size, 5000);
  assert.deepEqual(await groupsOf(topic), []);
});

test('reading keeps to its ranges; what is not there yet is not waited for', async (t) => {
  const { bus, topic } = await filledTopic(t, 300);
  assert.deepEqual(offsetsOf(await readAll(bus, topic, range(17, 250))), from(17, 250));
  assert.deepEqual(offsetsOf(await readAll(bus, topic, range(290, 900))), from(290, 300));
  assert.deepEqual(await readAll(bus, topic, range(300, 300)), []);
  assert.deepEqual(await readAll(bus, topic, new Map()), []);
  await bus.read({ topic: 'never-there', ranges: new Map(), eachBatch: async () => assert.fail('a batch') });
});

test('of several partitions only those that are asked for are read', async (t) => {
  const { bus, topic } = await filledTopic(t, 600, 3);
  const end = (await bus.offsets(topic.name)).get(1)!.end;
  const records = await readAll(bus, topic, new Map([[1, { start: 5, end: end - 3 }]]));
  assert.deepEqual(offsetsOf(records), from(5, end - 3));
  assert.ok(records.every(({ partition }) => partition === 1));
});

test('reading ends where the records of its range are gone, at the beginning or all of them', async (t) => {
  const { bus, topic } = await filledTopic(t, 100);
  await bus.deleteRecords(topic.name, new Map([[0, 40]]));
  assert.deepEqual(await bus.offsets(topic.name), range(40, 100));
  assert.deepEqual(offsetsOf(await readAll(bus, topic, range(0, 60))), from(40, 60));
  await bus.deleteRecords(topic.name, new Map([[0, 100]]));
  assert.deepEqual(await readAll(bus, topic, range(0, 100)), []);
});

test('reading ends when its records are deleted while it reads', async (t) => {
  const { bus, topic } = await filledTopic(t, 0);
  // Several fetches' worth, so that deleting finds some of it not fetched yet.
  for (let i = 0; i < 30; i++) await bus.send(topic.name, { key: 'k', value: Buffer.alloc(500_000, i) });
  const offsets: number[] = [];
  await bus.read({
    topic: topic.name,
    ranges: range(0, 30),
    async eachBatch(records) {
      if (offsets.length === 0) await bus.deleteRecords(topic.name, new Map([[0, 30]]));
      offsets.push(...offsetsOf(records));
    },
  });
  assert.deepEqual(offsets, from(0, offsets.length));
  assert.ok(offsets.length < 30, `read ${offsets.length}`);
});

test('reading ends at control records, which nobody sees', async (t) => {
  const { bus, topic } = await filledTopic(t, 2);
  const brokers = (await kafkaForTests()).split(',');
  const kafka = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING });
  const producer = kafka.producer({ transactionalId: topic.name, idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  t.after(() => producer.disconnect());
  const transaction = await producer.transaction();
  await transaction.send({ topic: topic.name, messages: [{ key: 'k', value: 'x' }] });
  await transaction.commit();
  await waitUntil('its end is there', async () => (await bus.offsets(topic.name)).get(0)?.end === 4);
  assert.deepEqual(offsetsOf(await readAll(bus, topic)), [0, 1, 2]);
});

test('one batch is handed out at a time, however long its consumer takes', async (t) => {
  const { bus, topic } = await filledTopic(t, 400, 4);
  let [running, most, count] = [0, 0, 0];
  await bus.read({
    topic: topic.name,
    ranges: await bus.offsets(topic.name),
    async eachBatch(records) {
      most = Math.max(most, ++running);
      await sleep(count === 0 ? 7000 : 50); // longer than a member may be silent
      count += records.length;
      running--;
    },
  });
  assert.deepEqual([most, count], [1, 400]);
});

test('an abort and a failing consumer end the reading, after the batch that is under way', async (t) => {
  const { bus, topic } = await filledTopic(t, 100);
  const stop = new AbortController();
  let [calls, ended] = [0, 0];
  const reading = bus.read({
    topic: topic.name,
    ranges: range(0, 100),
    signal: stop.signal,
    async eachBatch() {
      calls++;
      stop.abort(new Error('enough'));
      await sleep(50);
      ended++;
    },
  });
  await assert.rejects(reading, /enough/);
  assert.deepEqual([calls, ended], [1, 1]);
  const failing = bus.read({
    topic: topic.name,
    ranges: range(0, 100),
    eachBatch: () => Promise.reject(new Error('cannot')),
  });
  await assert.rejects(failing, /cannot/);
  await assert.rejects(
    bus.read({
      topic: topic.name,
      ranges: range(0, 1),
      signal: AbortSignal.abort(new Error('before')),
      eachBatch: async () => {},
    }),
    /before/,
  );
  await waitUntil('the groups are gone', async () => (await groupsOf(topic)).length === 0);
});

test('reading moves no offset of the group that delivers', async (t) => {
  const { bus, topic } = await filledTopic(t, 20);
  const gained = Promise.withResolvers<Claim>();
  const membership = bus.join({
    groupId: topic.name,
    topics: [topic.name],
    onGained: (claim) => gained.resolve(claim),
    async onLost() {},
  });
  onEnd(t, () => membership[Symbol.asyncDispose]());
  const claim = await gained.promise;
  await claim.commit([{ topic: topic.name, partition: 0, offset: 7, tag: '' }]);
  assert.equal((await readAll(bus, topic)).length, 20);
  assert.deepEqual(await bus.committed(topic.name, topic.name), new Map([[0, { offset: 7 }]]));
});

test('a topic or a partition that does not exist is an error', async (t) => {
  const { bus, topic } = await filledTopic(t, 1);
  const eachBatch = async () => {};
  await assert.rejects(
    bus.read({ topic: 'never-there', ranges: range(0, 1), eachBatch }),
    (error) => error instanceof BusError && error.reason === 'unknown-topic',
  );
  const ranges = new Map([[5, { start: 0, end: 1 }]]);
  await assert.rejects(bus.read({ topic: topic.name, ranges, eachBatch }), BusError);
});

test('offsets are found by time: the first at or after it, the end when there is none', async (t) => {
  const { bus, topic } = await filledTopic(t, 3);
  await sleep(20);
  const between = Date.now();
  await fill(bus, topic, 2);
  assert.deepEqual(await bus.offsetsAt(topic.name, 0), new Map([[0, 0]]));
  assert.deepEqual(await bus.offsetsAt(topic.name, between), new Map([[0, 3]]));
  assert.deepEqual(await bus.offsetsAt(topic.name, Date.now() + 60_000), new Map([[0, 5]]));
  assert.deepEqual(await bus.offsetsAt(topic.name, -5), new Map([[0, 0]]));
});

test('deleting records that are gone already, or none, is no error', async (t) => {
  const { bus, topic } = await filledTopic(t, 10);
  await bus.deleteRecords(topic.name, new Map([[0, 5]]));
  await bus.deleteRecords(topic.name, new Map([[0, 3]]));
  await bus.deleteRecords(topic.name, new Map());
  assert.deepEqual(await bus.offsets(topic.name), range(5, 10));
});
