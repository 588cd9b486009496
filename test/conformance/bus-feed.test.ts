import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import type { Bus, IncomingRecord } from '../../src/bus/bus.ts';
import { busForTests } from '../helpers/bus.ts';
import { follow } from '../helpers/follow.ts';
import { kafkaForTests } from '../helpers/kafka.ts';
import { onEnd } from '../helpers/on-end.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const bytes = (text: string) => Buffer.from(text);
const textOf = ({ key, value }: IncomingRecord) => `${key}=${value === null ? '' : Buffer.from(value)}`;

async function kafkajsClient() {
  const brokers = (await kafkaForTests()).split(',');
  return new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING });
}

async function sendNumbers(bus: Bus, topic: string, from: number, to: number, key = 'k') {
  const numbers = Array.from({ length: to - from }, (_, i) => from + i);
  await Promise.all(numbers.map((n) => bus.send(topic, { key, value: bytes(String(n)) })));
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

test('a topic is read to its end, also its empty partitions, and what comes then follows', async (t) => {
  const { bus, topics } = await busForTests(t);
  const topic = topics.downlink('http');
  await bus.createTopics([topic]);
  for (let i = 0; i < 50; i++) await bus.send(topic.name, { key: `id${i}`, value: bytes(String(i)) });
  for (let i = 0; i < 50; i += 2) await bus.send(topic.name, { key: `id${i}`, value: null });
  const state = new Map<string, string>();
  const followed = await follow(bus, [topic.name], (record) => {
    if (record.value === null) state.delete(record.key!);
    else state.set(record.key!, textOf(record));
  });
  onEnd(t, () => followed[Symbol.dispose]());
  assert.equal(state.size, 25);
  assert.equal(state.get('id7'), 'id7=7');
  await bus.send(topic.name, { key: 'new', value: bytes('1') });
  await waitUntil('the change is there', () => state.has('new'));
});

test('compaction may have taken away records and tombstones, also the last ones', async (t) => {
  const { bus, topics } = await busForTests(t);
  const topic = {
    ...topics.downlink('http'),
    partitions: 1,
    config: {
      'cleanup.policy': 'compact',
      'segment.ms': '100',
      'min.cleanable.dirty.ratio': '0.01',
      'delete.retention.ms': '0',
      'max.compaction.lag.ms': '200',
    },
  };
  await bus.createTopics([topic]);
  for (let i = 0; i < 5; i++) await bus.send(topic.name, { key: `id${i}`, value: bytes(String(i)) });
  for (let i = 0; i < 4; i++) await bus.send(topic.name, { key: `id${i}`, value: null });
  // Kafka compacts when it does: what is read is right before, meanwhile and afterwards.
  let isCompacted = false;
  for (let round = 0; round < 50 && !isCompacted; round++) {
    // Each record rolls the segment before it, which can then be compacted.
    await bus.send(topic.name, { key: 'churn', value: bytes('x') });
    const records: IncomingRecord[] = [];
    const keep = (record: IncomingRecord) =>
      records.push({ ...record, value: record.value && Buffer.from(record.value) });
    (await follow(bus, [topic.name], keep))[Symbol.dispose]();
    const last = new Map(records.map((record) => [record.key, record]));
    const there = [...last.values()].filter(({ key, value }) => key !== 'churn' && value !== null);
    assert.equal(there.map(textOf).join(), 'id4=4');
    isCompacted = !records.some(({ key }) => key === 'id0');
    await sleep(200);
  }
  t.diagnostic(isCompacted ? 'tombstones were removed' : 'Kafka has not compacted anything meanwhile');
});

test('a feed that takes the place of another one of its partition gets what comes', async (t) => {
  const { bus, topics } = await busForTests(t);
  const [topic, other] = [topics.messages('a'), topics.messages('b')] as const;
  await bus.createTopics([topic, other]);
  const followed = await follow(bus, [other.name], () => {}); // is quiet all the time
  onEnd(t, () => followed[Symbol.dispose]());
  let taken = 0;
  const feed = () =>
    bus.feed({
      topic: topic.name,
      partition: 0,
      from: taken,
      take() {
        taken++;
        return true;
      },
    });
  let last = feed();
  onEnd(t, () => last[Symbol.dispose]());
  // The one before is in a fetch that waits when the next one comes, and both are quiet soon.
  for (const [sent, wait] of [700, 50, 200, 400].entries()) {
    await sleep(wait);
    last[Symbol.dispose]();
    last = feed();
    await sleep(1200);
    await sendNumbers(bus, topic.name, sent, sent + 1);
    await waitUntil(`message ${sent} has come`, () => taken === sent + 1, 10_000);
  }
});

test('transactions count when they are committed, and their marks for nothing', async (t) => {
  const { bus, topics } = await busForTests(t);
  const topic = { ...topics.downlink('http'), partitions: 1 };
  await bus.createTopics([topic]);
  const kafka = await kafkajsClient();
  const producer = kafka.producer({ transactionalId: topic.name, idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  onEnd(t, () => producer.disconnect());
  for (const end of ['commit', 'abort'] as const) {
    const transaction = await producer.transaction();
    await transaction.send({ topic: topic.name, messages: [{ key: end, value: 'x' }] });
    await transaction[end]();
  }
  const keys: (string | null)[] = [];
  const followed = await follow(bus, [topic.name], ({ key }) => keys.push(key));
  onEnd(t, () => followed[Symbol.dispose]());
  assert.deepEqual(keys, ['commit']);
});

test('compressed records, null keys and values, and times come as they were sent', async (t) => {
  const { bus, topics } = await busForTests(t);
  const topic = topics.messages('a');
  await bus.createTopics([topic]);
  const producer = (await kafkajsClient()).producer();
  await producer.connect();
  onEnd(t, () => producer.disconnect());
  const messages = [
    { key: null, value: 'x', timestamp: '1700000000000', headers: { some: 'header' } },
    { key: 'grün', value: null, timestamp: '1700000000500' },
    { key: '', value: 'y'.repeat(100_000), timestamp: '1600000000000' },
  ];
  await producer.send({ topic: topic.name, messages, compression: kafkajs.CompressionTypes.GZIP });
  await producer.send({ topic: topic.name, messages });
  const seen: unknown[] = [];
  const followed = await follow(bus, [topic.name], ({ offset, key, value, timestamp }) => {
    seen.push([offset, key, value && Buffer.from(value).toString(), String(timestamp)]);
  });
  onEnd(t, () => followed[Symbol.dispose]());
  const expected = [...messages, ...messages].map((one, i) => [i, one.key, one.value, one.timestamp]);
  assert.deepEqual(seen, expected);
});

test('a partition that is not taken holds back no other, and goes on where it stopped', async (t) => {
  const { bus, topics } = await busForTests(t);
  const all = [topics.messages('slow'), topics.messages('quick')] as const;
  await bus.createTopics(all);
  await sendNumbers(bus, all[0].name, 0, 300);
  await sendNumbers(bus, all[1].name, 0, 300);
  let room = 10;
  const slow: number[] = [];
  const quick: number[] = [];
  const numberOf = ({ value }: IncomingRecord) => Number(Buffer.from(value!));
  const feed = bus.feed({
    topic: all[0].name,
    partition: 0,
    from: 0,
    take: (record) => room-- > 0 && slow.push(numberOf(record)) > 0,
  });
  const other = bus.feed({
    topic: all[1].name,
    partition: 0,
    from: 5,
    take: (record) => quick.push(numberOf(record)) > 0,
  });
  onEnd(t, () => [feed, other].forEach((one) => void one[Symbol.dispose]()));
  await waitUntil('the quick one has everything', () => quick.length === 295);
  await sendNumbers(bus, all[1].name, 300, 310);
  await waitUntil('and what comes then', () => quick.length === 305);
  assert.deepEqual(slow, range(0, 10));
  while (slow.length < 300) {
    room = 7;
    feed.resume();
    await waitUntil('it goes on', () => room <= 0 || slow.length === 300);
  }
  await sendNumbers(bus, all[0].name, 300, 303);
  room = 100;
  feed.resume();
  await waitUntil('the last ones are there', () => slow.length === 303);
  assert.deepEqual(slow, range(0, 303));
  assert.deepEqual(quick, range(5, 310));
});

test('many partitions that are fed share what is fetched, and each has its order', async (t) => {
  const { bus, topics } = await busForTests(t);
  const all = Array.from({ length: 60 }, (_, i) => ({ ...topics.messages(`n${i}`), partitions: 2 }));
  await bus.createTopics(all);
  const seen = new Map<string, number[]>();
  const followed = await follow(
    bus,
    all.map(({ name }) => name),
    ({ topic, value }) => seen.set(topic, [...(seen.get(topic) ?? []), Number(Buffer.from(value!))]),
  );
  onEnd(t, () => followed[Symbol.dispose]());
  for (let round = 0; round < 5; round++) {
    await Promise.all(all.map(({ name }) => sendNumbers(bus, name, round * 20, round * 20 + 20, name)));
  }
  await waitUntil('all are there', () => all.every(({ name }) => seen.get(name)?.length === 100));
  for (const { name } of all) assert.deepEqual(seen.get(name), range(0, 100));
});

test('a topic that is not there yet is waited for, one that is made anew begins anew', async (t) => {
  const { bus, topics } = await busForTests(t);
  const topic = topics.messages('a');
  const seen: number[] = [];
  let resets = 0;
  const feed = bus.feed({
    topic: topic.name,
    partition: 0,
    from: 0,
    take: ({ value }) => seen.push(Number(Buffer.from(value!))) > 0,
    onReset: () => resets++,
  });
  onEnd(t, () => feed[Symbol.dispose]());
  await assert.rejects(bus.partitions(topic.name), { name: 'BusError', reason: 'unknown-topic' });
  await bus.createTopics([topic]);
  assert.deepEqual(await bus.partitions(topic.name), [0]);
  await sendNumbers(bus, topic.name, 0, 5);
  await waitUntil('it is fed', () => seen.length === 5);
  await bus.deleteTopics([topic.name]);
  await bus.createTopics([topic]);
  await sendNumbers(bus, topic.name, 100, 102);
  await waitUntil('it is fed from its new beginning', () => seen.length === 7, 20_000);
  assert.deepEqual(seen.slice(5), [100, 101]);
  assert.equal(resets, 1);
});

test('a partition can be fed to several, each from its own position', async (t) => {
  const { bus, topics } = await busForTests(t);
  const topic = topics.messages('a');
  await bus.createTopics([topic]);
  await sendNumbers(bus, topic.name, 0, 10);
  const seen = [0, 4, 9].map((from) => {
    const offsets: number[] = [];
    const take = ({ offset }: IncomingRecord) => offsets.push(offset) > 0;
    const feed = bus.feed({ topic: topic.name, partition: 0, from, take });
    onEnd(t, () => feed[Symbol.dispose]());
    return offsets;
  });
  await waitUntil('each has its part', () => seen.map(({ length }) => length).join() === '10,6,1');
  await sendNumbers(bus, topic.name, 10, 12);
  await waitUntil('and what comes', () => seen.map(({ length }) => length).join() === '12,8,3');
  assert.deepEqual(seen, [range(0, 12), range(4, 12), range(9, 12)]);
});

test('whoever fails to take a record gets it again, and holds up no other', async (t) => {
  const { bus, topics } = await busForTests(t);
  const all = [topics.messages('fails'), topics.messages('works')] as const;
  await bus.createTopics(all);
  let failures = 3;
  const seen = { fails: [] as number[], works: [] as number[] };
  for (const [i, name] of (['fails', 'works'] as const).entries()) {
    const feed = bus.feed({
      topic: all[i]!.name,
      partition: 0,
      from: 0,
      take({ offset }) {
        if (name === 'fails' && offset === 2 && failures-- > 0) throw new Error('not taken');
        return seen[name].push(offset) > 0;
      },
    });
    onEnd(t, () => feed[Symbol.dispose]());
    await sendNumbers(bus, all[i]!.name, 0, 5);
  }
  await waitUntil('all are there', () => seen.fails.length === 5 && seen.works.length === 5);
  assert.deepEqual(seen, { fails: range(0, 5), works: range(0, 5) });
});

test('a record that is too large beside those of others comes all the same', async (t) => {
  const { bus, topics } = await busForTests(t);
  const all = [topics.messages('a-small'), topics.messages('b-large'), topics.messages('c-small')] as const;
  await bus.createTopics(all);
  const sizes = new Map<string, number[]>(all.map(({ name }) => [name, []]));
  for (const { name } of all) {
    const count = name === all[1].name ? [3_000_000, 10, 2_000_000, 20] : [1, 2, 3, 4];
    for (const size of count) await bus.send(name, { key: 'k', value: Buffer.alloc(size, 1) });
  }
  const followed = await follow(
    bus,
    all.map(({ name }) => name),
    ({ topic, value }) => sizes.get(topic)!.push(value!.length),
  );
  onEnd(t, () => followed[Symbol.dispose]());
  await waitUntil('all are there', () => [...sizes.values()].every(({ length }) => length === 4));
  assert.deepEqual(sizes.get(all[1].name), [3_000_000, 10, 2_000_000, 20]);
});

test('what retention removed is left out', async (t) => {
  const { bus, topics } = await busForTests(t);
  const topic = topics.messages('a');
  await bus.createTopics([topic]);
  await sendNumbers(bus, topic.name, 0, 20);
  await bus.deleteRecords(topic.name, new Map([[0, 12]]));
  const seen: number[] = [];
  const followed = await follow(bus, [topic.name], ({ offset }) => seen.push(offset));
  onEnd(t, () => followed[Symbol.dispose]());
  assert.deepEqual(seen, range(12, 20));
});

test('a topic that is not there does not hold up another one', async (t) => {
  const { bus, topics } = await busForTests(t);
  const topic = topics.messages('a');
  await bus.createTopics([topic]);
  const missing = bus.feed({
    topic: topics.messages('missing').name,
    partition: 0,
    from: 0,
    take: () => true,
  });
  onEnd(t, () => missing[Symbol.dispose]());
  await sleep(4000); // by now it is looked for each 2 s
  const begin = performance.now();
  for (let i = 0; i < 8; i++) {
    await sendNumbers(bus, topic.name, i, i + 1);
    const { promise, resolve } = Promise.withResolvers<void>();
    const feed = bus.feed({
      topic: topic.name,
      partition: 0,
      from: i,
      take() {
        resolve();
        return true;
      },
    });
    await promise;
    feed[Symbol.dispose]();
  }
  const took = performance.now() - begin;
  assert.ok(took < 4000, `${Math.round(took)} ms for 8: each waited for the pause of the other`);
});

test('a topic that grows is seen to, whoever gives it partitions, and one that does not is not', async (t) => {
  const { bus, topics } = await busForTests(t);
  const [grows, stays] = [topics.messages('grows'), topics.messages('stays')];
  await bus.createTopics([grows, stays]);
  const seen: string[] = [];
  using _ = bus.onGrown(stays.name, 1, (partitions) => seen.push(`stays ${partitions}`));
  const watch = bus.onGrown(grows.name, 1, (partitions) => seen.push(`grows ${partitions}`));
  const admin = (await kafkajsClient()).admin();
  await admin.connect();
  onEnd(t, () => admin.disconnect());
  await admin.createPartitions({ topicPartitions: [{ topic: grows.name, count: 3 }] });
  await waitUntil('it is seen', () => seen.length > 0, 30_000);
  watch[Symbol.dispose]();
  await bus.createTopics([{ ...grows, partitions: 4 }]);
  using again = bus.onGrown(grows.name, 3, (partitions) => seen.push(`again ${partitions}`));
  await waitUntil('it is seen again', () => seen.length > 1, 30_000);
  assert.deepEqual(seen, ['grows 3', 'again 4']);
  assert.ok(again);
});
