import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Judge, Outgoing } from '../../src/kafkajs/outgoing.ts';
import { Producer, type ProducerOptions } from '../../src/kafkajs/producer.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { ErrorCode, FakeCluster, type FakePartition } from '../helpers/fake-cluster.ts';

const BACKOFF = { initial: 20, max: 200 };
const OPTIONS: ProducerOptions = {
  acks: -1,
  isIdempotent: true,
  requestTimeout: 300,
  compression: 0,
  compress: async (records) => records,
  maxBatchRecords: 10,
  maxBatchBytes: 1_000_000,
  maxRequestBytes: 1_000_000,
  metadataAge: 30_000,
  retry: BACKOFF,
  reconnect: BACKOFF,
};

interface Sent extends Outgoing {
  readonly to: number;
  /** When it was sent. */
  readonly at: number;
  end?: 'there' | unknown;
}

/** A producer on a cluster in memory; `send` chooses the partition. */
function world({
  nodes = [1, 2, 3],
  judge = () => undefined,
  isAwaited = () => false,
  ...options
}: {
  nodes?: number[];
  judge?: Judge<Sent>;
  isAwaited?: (record: Sent) => boolean;
} & Partial<ProducerOptions>) {
  const clock = new FakeClock();
  const cluster = new FakeCluster(nodes, clock);
  const producer = new Producer<Sent>(
    { ...OPTIONS, ...options },
    {
      cluster: cluster.asCluster,
      clock,
      random: () => 0.5,
      place: ({ to }) => to,
      judge,
      failed: () => {},
    },
  );
  const sent: Sent[] = [];
  const send = (topic: string, to: number, value: string) => {
    const record: Sent = {
      topic,
      to,
      at: clock.monotonic(),
      record: { key: null, value },
      bytes: value.length + 20,
      once: { out: new Set(), isAwaited: () => isAwaited(record) },
      settle(error) {
        assert.equal(record.end, undefined, 'it is settled once');
        record.end = error ?? 'there';
      },
    };
    sent.push(record);
    producer.send(record);
    return record;
  };
  /** In small steps: what is sent leaves with the event loop's next turn, which a clock knows nothing of. */
  const run = async (ms: number) => {
    const step = Math.max(2, ms / 500);
    for (let at = 0; at < ms; at += step) {
      await new Promise((resolve) => setImmediate(resolve));
      await clock.advance(step);
    }
  };
  return { clock, cluster, producer, sent, send, run };
}

const refusal = new Error('refused');

test('what a node does not take comes again to whoever leads it then, and nothing else waits for it', async () => {
  const { run, cluster, send } = world({});
  const moving = cluster.topic('moving', [1]);
  const steady = cluster.topic('steady', [2]);
  const first = [send('moving', 0, 'a'), send('steady', 0, 'a')];
  await run(200);
  assert.deepEqual(
    first.map(({ end }) => end),
    ['there', 'there'],
  );
  moving[0]!.leader = -1;
  cluster.down.add(1);
  cluster.cut(1);
  const later = [send('moving', 0, 'b'), send('steady', 0, 'b')];
  await run(200);
  assert.deepEqual(
    later.map(({ end }) => end),
    [undefined, 'there'],
  );
  moving[0]!.leader = 3;
  await run(500);
  assert.deepEqual(moving[0]!.values, ['a', 'b']);
  assert.deepEqual(steady[0]!.values, ['a', 'b']);
});

test('several batches of a partition are on their way, and one that fails takes those behind it along', async () => {
  const { run, cluster, send } = world({});
  const [partition] = cluster.topic('t', [1]);
  send('t', 0, '-1');
  await run(200);
  let left = 1;
  cluster.refuses = () => (left-- > 0 ? ErrorCode.NOT_ENOUGH_REPLICAS : 0);
  for (let i = 0; i < 60; i++) send('t', 0, String(i));
  await run(12);
  assert.equal(cluster.requests.length, 6, 'five full ones at once');
  await run(1000);
  assert.deepEqual(
    partition!.values,
    Array.from({ length: 61 }, (_, i) => String(i - 1)),
  );
});

test('a record that a partition does not take is found by halves, and nothing is written twice or out of order', async () => {
  const { run, cluster, sent, send } = world({ maxBatchRecords: 32 });
  const [partition] = cluster.topic('t', [1]);
  cluster.refuses = (_topic, _partition, values) => (values.includes('17') ? ErrorCode.MESSAGE_TOO_LARGE : 0);
  for (let i = 0; i < 100; i++) send('t', 0, String(i));
  await run(3000);
  const others = Array.from({ length: 100 }, (_, i) => String(i)).filter((value) => value !== '17');
  assert.deepEqual(partition!.values, others);
  assert.match(String(sent[17]!.end), /larger than the max message size/);
  assert.equal(cluster.identities, 1, 'one number too many is no reason to be somebody else');
});

test('what is given up although it may be there does not let what follows pass for its repetition', async () => {
  const tooLate = new Set<string>();
  const judge: Judge<Sent> = ({ record }) => (tooLate.has(String(record.value)) ? refusal : undefined);
  const { run, cluster, send } = world({ judge });
  const [partition] = cluster.topic('t', [1]);
  cluster.losesAnswer = () => true;
  const a = send('t', 0, 'a');
  await run(60);
  assert.deepEqual(partition!.values, ['a']);
  tooLate.add('a');
  const b = send('t', 0, 'b');
  await run(200);
  assert.equal(a.end, refusal);
  cluster.losesAnswer = () => false;
  await run(1000);
  assert.equal(b.end, 'there');
  assert.deepEqual(new Set(partition!.values), new Set(['a', 'b']));
});

test('a record that is refused behind one that replicas are late with does not let that one be written twice', async () => {
  for (const code of [ErrorCode.REQUEST_TIMED_OUT, ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND]) {
    const { run, cluster, send } = world({ maxBatchBytes: 10 }); // one record in each batch
    const [partition] = cluster.topic('t', [1]);
    send('t', 0, 'x');
    await run(200);
    cluster.refuses = (_topic, _partition, [value]) => (value === 'BIG' ? ErrorCode.MESSAGE_TOO_LARGE : 0);
    let left = 1;
    cluster.doubts = () => (left-- > 0 ? code : 0);
    const sent = ['a', 'BIG', 'b'].map((value) => send('t', 0, value));
    await run(1000);
    assert.deepEqual(partition!.values, ['x', 'a', 'b']);
    assert.match(String(sent[1]!.end), /larger than the max message size/);
    assert.deepEqual([sent[0]!.end, sent[2]!.end], ['there', 'there']);
  }
});

test('what follows a record that was written, and is refused when it comes again, does not pass for its repetition', async () => {
  const { run, cluster, send } = world({});
  const [partition] = cluster.topic('t', [1]);
  send('t', 0, 'x');
  await run(200);
  cluster.losesAnswer = () => true;
  const large = send('t', 0, 'large');
  await run(12);
  assert.deepEqual(partition!.values, ['x', 'large']);
  cluster.losesAnswer = () => false;
  cluster.refuses = (_topic, _partition, values) =>
    values.includes('large') ? ErrorCode.MESSAGE_TOO_LARGE : 0;
  await run(500);
  assert.match(String(large.end), /larger than the max message size/);
  const next = send('t', 0, 'next');
  await run(500);
  assert.equal(next.end, 'there');
  assert.deepEqual(partition!.values, ['x', 'large', 'next']);
});

test('a topic that is forgotten because nobody used it is written to anew, under another identity', async () => {
  const { run, cluster, send } = world({});
  const [partition] = cluster.topic('t', [1]);
  cluster.topic('other', [2]);
  send('t', 0, 'a');
  for (let i = 0; i < 20; i++) {
    send('other', 0, String(i));
    await run(30_000);
  }
  send('t', 0, 'b'); // the first number again, as of the first record
  await run(1000);
  assert.deepEqual(partition!.values, ['a', 'b']);
});

test('a topic that is gone asks for nothing more, and one that comes back is found', async () => {
  const judge: Judge<Sent> = (_record, failures) => (failures >= 3 ? refusal : undefined);
  const { run, clock, cluster, send } = world({ judge });
  const gone = send('gone', 0, 'a');
  await run(1000);
  assert.equal(gone.end, refusal);
  assert.equal(clock.timers, 0, 'nothing is looked for any more');
  cluster.topic('gone', [2]);
  const back = send('gone', 0, 'b');
  await run(500);
  assert.equal(back.end, 'there');
});

test('a topic that was deleted is asked for no more once that was told, and holds up no other one', async () => {
  const { run, cluster, send } = world({});
  for (const topic of ['kept', 'deleted']) cluster.topic(topic, [1]);
  for (const topic of ['kept', 'deleted']) send(topic, 0, 'a');
  await run(20_000);
  send('deleted', 0, 'b');
  await run(5000);
  cluster.topics.delete('deleted');
  await run(6000);
  cluster.asked.length = 0;
  const { connect } = cluster;
  const hanging = Promise.withResolvers<void>();
  cluster.connect = () => hanging.promise; // nothing is answered of what is asked now
  const first = send('kept', 0, 'c');
  await run(100);
  assert.equal(first.end, 'there');
  assert.deepEqual(cluster.asked, []);
  hanging.resolve();
  cluster.connect = connect;
  await run(1000);
  assert.deepEqual(cluster.asked, [['kept', 'deleted']]);
  for (const topic of ['new', 'newer']) {
    cluster.topic(topic, [1]);
    send(topic, 0, 'd');
    await run(1000);
  }
  assert.deepEqual(cluster.asked.slice(1), [['new'], ['newer']]);
});

test('without numbers one batch of a partition is on its way, so that the order is kept', async () => {
  const { run, cluster, send } = world({ isIdempotent: false, acks: 1 });
  const [partition] = cluster.topic('t', [1]);
  let left = 2;
  cluster.refuses = () => (left-- > 0 ? ErrorCode.NOT_ENOUGH_REPLICAS : 0);
  for (let i = 0; i < 50; i++) send('t', 0, String(i));
  await run(2000);
  assert.deepEqual(
    partition!.values,
    Array.from({ length: 50 }, (_, i) => String(i)),
  );
});

test('who was lost is not taken for a new one when its topic is forgotten', async () => {
  const tooLate = new Set<string>();
  const judge: Judge<Sent> = ({ record }) => (tooLate.has(String(record.value)) ? refusal : undefined);
  const { run, cluster, send } = world({ judge });
  const [partition] = cluster.topic('t', [1]);
  cluster.topic('other', [2]);
  send('t', 0, 'a');
  send('other', 0, 'a');
  await run(200);
  cluster.down.add(1);
  cluster.cut(1);
  const late = send('t', 0, 'late');
  await run(300);
  tooLate.add('late');
  await run(300);
  assert.equal(late.end, refusal);
  cluster.down.delete(1);
  for (let i = 0; i < 12; i++) {
    send('other', 0, String(i));
    await run(30_000);
  }
  send('t', 0, 'b'); // the first number again, as of the first record
  await run(1000);
  assert.deepEqual(partition!.values, ['a', 'b']);
});

test('what a partition that knows nobody any more took behind a refused record is not numbered again', async () => {
  const { run, cluster, send } = world({ maxBatchBytes: 10 }); // one record in each batch
  cluster.topic('t', [1]);
  send('t', 0, 'x');
  await run(200);
  const [anew] = cluster.topic('t', [1]);
  cluster.refuses = (_topic, _partition, values) =>
    values.includes('BIG') ? ErrorCode.MESSAGE_TOO_LARGE : 0;
  const others = ['1', '2', '3', '4', '5', '6', '7', '8'];
  const sent = ['BIG', ...others].map((value) => send('t', 0, value));
  await run(3000);
  assert.deepEqual(
    sent.filter(({ end }) => end === 'there').map(({ record }) => record.value),
    others,
  );
  assert.deepEqual(new Set(anew!.values), new Set(others));
});

test('a batch that was written, and is refused as too large when it comes again, ends without a loop', async () => {
  const { run, cluster, send, sent } = world({});
  const [partition] = cluster.topic('t', [1]);
  let isLost = true;
  cluster.losesAnswer = () => {
    const loses = isLost;
    isLost = false;
    return loses;
  };
  let isLowered = false;
  cluster.refuses = (_topic, _partition, values) =>
    isLowered && values.length > 5 ? ErrorCode.MESSAGE_TOO_LARGE : 0;
  for (let i = 0; i < 10; i++) send('t', 0, String(i));
  await run(12);
  assert.equal(partition!.values.length, 10);
  isLowered = true;
  await run(10_000);
  assert.equal(sent.filter(({ end }) => end !== 'there').length, 0);
  assert.ok(cluster.requests.length < 20, `${cluster.requests.length} requests`);
});

test('what was tried, and has no leader now, is given up after as many looks as tries', async () => {
  const judge: Judge<Sent> = (_record, failures) => (failures > 3 ? refusal : undefined);
  const { run, cluster, send } = world({ judge });
  const [partition] = cluster.topic('t', [1]);
  send('t', 0, 'x');
  await run(200);
  cluster.refuses = () => ErrorCode.NOT_ENOUGH_REPLICAS;
  const tried = send('t', 0, 'tried');
  await run(12);
  partition!.leader = -1;
  const waiting = send('t', 0, 'waiting');
  await run(10_000);
  assert.deepEqual([tried.end, waiting.end], [refusal, refusal]);
});

test('a partition that nobody wrote to for long keeps the order, although it knows nobody any more', async () => {
  const { run, clock, cluster, send } = world({});
  const [partition] = cluster.topic('t', [1, 2]);
  send('t', 0, '-1');
  await run(200);
  for (let hours = 0; hours < 25 * 12; hours++) {
    send('t', 1, 'the topic is in use');
    await clock.advance(300_000);
  }
  let left = 1;
  cluster.refuses = () => (left-- > 0 ? ErrorCode.NOT_ENOUGH_REPLICAS : 0);
  for (let i = 0; i < 60; i++) send('t', 0, String(i));
  await run(1000);
  assert.deepEqual(
    partition!.values,
    Array.from({ length: 61 }, (_, i) => String(i - 1)),
  );
});

test('what comes while another one is refused is kept', async () => {
  const times = new Map<Sent, number>();
  const clock = { now: () => 0 };
  const judge: Judge<Sent> = (record) => {
    if (!times.has(record)) times.set(record, clock.now());
    return clock.now() - times.get(record)! > 500 ? refusal : undefined;
  };
  const { run, clock: fake, cluster, send } = world({ judge });
  clock.now = () => fake.monotonic();
  for (const node of [1, 2, 3]) cluster.down.add(node);
  const first = send('t', 0, 'first');
  let next: Sent | undefined;
  const { settle } = first;
  Object.assign(first, {
    settle(error: unknown) {
      settle(error);
      next = send('t', 0, 'next'); // there is room for it now
    },
  });
  await run(900);
  const [partition] = cluster.topic('t', [1]);
  cluster.down.clear();
  await run(2000);
  assert.equal(first.end, refusal);
  assert.equal(next?.end, 'there');
  assert.deepEqual(partition!.values, ['next']);
});

test('a topic that is not known is asked for at each tick, however much comes for it', async () => {
  const judge: Judge<Sent> = (_record, failures) => (failures >= 5 ? refusal : undefined);
  const { run, cluster, send, sent } = world({ judge });
  let asked = 0;
  const { findConnectedBroker } = cluster.brokerPool;
  Object.assign(cluster.brokerPool, {
    findConnectedBroker: () => {
      asked++;
      return findConnectedBroker();
    },
  });
  for (let i = 0; i < 100; i++) {
    send('t', 0, String(i));
    if (i === 50) cluster.topic('t', [1]);
    await run(2);
  }
  await run(1000);
  assert.equal(sent.filter(({ end }) => end !== 'there').length, 0);
  assert.ok(asked < 10, `asked ${asked} times`);
});

test('once Kafka tells of topics again, who comes next waits for no pause', async () => {
  const { run, cluster, send } = world({});
  for (const topic of ['a', 'b']) cluster.topic(topic, [1]);
  for (const node of [1, 2, 3]) cluster.down.add(node);
  const first = send('a', 0, 'a');
  await run(2000);
  cluster.down.clear();
  await run(1000);
  assert.equal(first.end, 'there');
  const second = send('b', 0, 'b');
  await run(60);
  assert.equal(second.end, 'there');
});

test('when a producer has closed nothing of it goes on, leaves or connects, whatever was under way', async () => {
  for (const age of [0, 1, 20, 45, 60, 70, 90, 400, 1000]) {
    const { run, clock, cluster, producer, send } = world({});
    const [partition] = cluster.topic('t', [1]);
    cluster.connectTime = age < 400 ? 20 : 2000;
    const record = send('t', 0, 'a');
    await run(age);
    const isThere = partition!.values.length;
    const closed = producer.close(refusal);
    assert.ok([refusal, 'there'].includes(record.end as string));
    await Promise.all([closed, run(10_000)]);
    assert.deepEqual([...cluster.connected], [], `a connection is open, closed after ${age} ms`);
    assert.deepEqual([clock.timers, partition!.values.length], [0, isThere], `closed after ${age} ms`);
  }
});

test('a node that answers nothing holds up no close', async () => {
  const { run, clock, cluster, producer, send } = world({ requestTimeout: 10_000 });
  cluster.topic('t', [1]);
  send('t', 0, 'a');
  await run(100);
  cluster.mute.add(1);
  send('t', 0, 'b');
  await run(100);
  let closed: number | undefined;
  void producer.close(refusal).then(() => {
    closed = clock.monotonic();
  });
  await run(10);
  assert.ok(closed !== undefined);
});

test('a producer with nothing to send is in no trouble', async () => {
  const { run, clock, cluster, producer, send } = world({});
  cluster.topic('t', [1]);
  send('t', 0, 'a');
  await run(200);
  await run(31_000);
  const { findConnectedBroker } = cluster.brokerPool;
  const fails = async () => {
    await clock.sleep(50);
    throw new Error('reset');
  };
  Object.assign(cluster.brokerPool, { findConnectedBroker: fails });
  const last = send('t', 0, 'b'); // with it, the age of what is known of the topic is noticed
  await run(200);
  Object.assign(cluster.brokerPool, { findConnectedBroker });
  await run(10_000);
  assert.equal(last.end, 'there');
  assert.equal(producer.failingSince(), undefined);
});

/** What befalls a cluster, at a time in milliseconds. */
const fault = fc.record({
  at: fc.nat({ max: 4000 }),
  lasts: fc.integer({ min: 1, max: 1500 }),
  kind: fc.constantFrom('move', 'leaderless', 'down', 'mute', 'lose', 'refuse', 'doubt'),
  node: fc.integer({ min: 1, max: 3 }),
  partition: fc.nat({ max: 3 }),
  code: fc.constantFrom<number>(ErrorCode.NOT_LEADER, ErrorCode.NOT_ENOUGH_REPLICAS, 7, 13, 56),
  doubt: fc.constantFrom<number>(
    ErrorCode.NOT_LEADER,
    ErrorCode.REQUEST_TIMED_OUT,
    ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  ),
});
type Fault = typeof fault extends fc.Arbitrary<infer T> ? T : never;

/** Lets it all happen, beside what a node refuses for good. */
function befall(
  { clock, cluster }: Pick<ReturnType<typeof world>, 'clock' | 'cluster'>,
  partitions: readonly FakePartition[],
  faults: readonly Fault[],
  isTooLarge: (value: string) => boolean = () => false,
): void {
  const active = new Set<Fault>();
  const is = (kind: string, node: number) =>
    [...active].some((one) => one.kind === kind && one.node === node);
  cluster.losesAnswer = () => [...active].some(({ kind }) => kind === 'lose');
  cluster.refuses = (_topic, _partition, values, nodeId) => {
    if (values.some(isTooLarge)) return ErrorCode.MESSAGE_TOO_LARGE;
    return [...active].find(({ kind, node }) => kind === 'refuse' && node === nodeId)?.code ?? 0;
  };
  cluster.doubts = (_topic, _partition, _values, nodeId) =>
    [...active].find(({ kind, node }) => kind === 'doubt' && node === nodeId)?.doubt ?? 0;
  const apply = () => {
    for (const node of [1, 2, 3]) {
      if (is('down', node) && !cluster.down.has(node)) cluster.cut(node);
      cluster.down[is('down', node) ? 'add' : 'delete'](node);
      cluster.mute[is('mute', node) ? 'add' : 'delete'](node);
    }
  };
  for (const one of faults) {
    const partition = partitions[one.partition]!;
    clock.setTimer(() => {
      active.add(one);
      if (one.kind === 'move') partition.leader = one.node;
      if (one.kind === 'leaderless') partition.leader = -1;
      apply();
    }, one.at);
    clock.setTimer(() => {
      active.delete(one);
      if (partition.leader < 0) partition.leader = one.node;
      apply();
    }, one.at + one.lasts);
  }
}

const faults = fc.array(fault, { maxLength: 12 });
/** How many records come each 150 ms. */
const bursts = fc.array(fc.nat({ max: 30 }), { minLength: 20, maxLength: 40 });
const FOUR = [
  ['a', 0],
  ['a', 1],
  ['b', 0],
  ['b', 1],
] as const;

/** Sends bursts of numbered records to four partitions, while all that befalls the nodes; answers what became of each. */
async function sendAll(
  here: ReturnType<typeof world>,
  what: readonly Fault[],
  counts: readonly number[],
  isTooLarge?: (value: string) => boolean,
) {
  const { run, clock, cluster, sent, send } = here;
  const partitions = [...cluster.topic('a', [1, 2]), ...cluster.topic('b', [3, 1])];
  befall(here, partitions, what, isTooLarge);
  let n = 0;
  for (const count of counts) {
    if (count < 0) await clock.advance(-count);
    for (let i = 0; i < count; i++, n++) send(n % 3 === 0 ? 'a' : 'b', n % 2, String(n));
    await run(150);
  }
  await run(20_000);
  return FOUR.map(([topic, to], i) => ({
    values: partitions[i]!.values,
    sent: sent.filter((one) => one.topic === topic && one.to === to),
  }));
}

const valuesOf = (records: readonly Sent[]) => records.map(({ record }) => record.value);

test('whatever befalls the nodes, each record is there once, in order', async () => {
  await fc.assert(
    fc.asyncProperty(faults, bursts, async (what, counts) => {
      const here = world({});
      const all = await sendAll(here, what, counts);
      assert.equal(here.sent.filter(({ end }) => end !== 'there').length, 0, 'all are acknowledged');
      for (const { values, sent } of all) assert.deepEqual(values, valuesOf(sent));
    }),
    { numRuns: 60 },
  );
});

test('whatever befalls the nodes, a record that they refuse is not there, and each other one once, in order', async () => {
  await fc.assert(
    fc.asyncProperty(faults, bursts, fc.integer({ min: 2, max: 40 }), async (what, counts, each) => {
      const isTooLarge = (value: string) => Number(value) % each === 1;
      const all = await sendAll(world({}), what, counts, isTooLarge);
      for (const { values, sent } of all) {
        assert.deepEqual(
          sent.filter(({ end }) => end !== 'there').map(({ record }) => record.value),
          valuesOf(sent).filter((value) => isTooLarge(String(value))),
        );
        assert.deepEqual(values, valuesOf(sent.filter(({ end }) => end === 'there')));
      }
    }),
    { numRuns: 20 },
  );
});

test('whatever befalls the nodes, what is acknowledged by its deadline is there in order, and twice only beside what is given up', async () => {
  await fc.assert(
    fc.asyncProperty(faults, bursts, fc.integer({ min: 50, max: 3000 }), async (what, counts, patience) => {
      const judge: Judge<Sent> = (record, _failures, error) =>
        error !== undefined && here.clock.monotonic() - record.at >= patience ? refusal : undefined;
      const here = world({ judge });
      for (const { values, sent } of await sendAll(here, what, counts)) {
        const acknowledged = new Set(valuesOf(sent.filter(({ end }) => end === 'there')));
        const kept = values.filter((value) => acknowledged.has(value));
        assert.deepEqual([...new Set(kept)], [...acknowledged]);
        assert.ok(sent.every(({ end }) => end === 'there' || end === refusal));
        if (acknowledged.size === sent.length) assert.equal(values.length, sent.length, 'each once');
      }
    }),
    { numRuns: 30 },
  );
});

test('whatever befalls the nodes, and whatever they refuse, what must not be there twice is there once or was given up for good', async () => {
  await fc.assert(
    fc.asyncProperty(faults, bursts, fc.integer({ min: 50, max: 3000 }), async (what, counts, patience) => {
      const isTooLarge = (value: string) => Number(value) % 7 === 1;
      const isOnce = ({ record }: Sent) => Number(record.value) % 5 === 2;
      const judge: Judge<Sent> = (record, _failures, error) =>
        error !== undefined && here.clock.monotonic() - record.at >= patience ? refusal : undefined;
      const here = world({ judge, isAwaited: isOnce });
      for (const { values, sent } of await sendAll(here, what, counts, isTooLarge)) {
        for (const one of sent) {
          const times = values.filter((value) => value === one.record.value).length;
          if (one.end === 'there') assert.ok(times > 0, `${one.record.value} is not there`);
          if (isOnce(one)) assert.equal(times, one.end === 'there' ? 1 : 0, `${one.record.value}`);
        }
      }
    }),
    { numRuns: 30 },
  );
});
