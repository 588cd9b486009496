import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BusError } from '../../src/bus/bus.ts';
import { BusProducer } from '../../src/bus/kafka/producer.ts';
import { Lane } from '../../src/bus/lane.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { ErrorCode, FakeCluster } from '../helpers/fake-cluster.ts';

function world(nodes = 2) {
  const clock = new FakeClock();
  const nodeIds = Array.from({ length: nodes }, (_, i) => i + 1);
  const cluster = new FakeCluster(nodeIds, clock);
  const logger = createLogger('error', clock, () => {});
  const producer = new BusProducer(cluster.asCluster, { clock, logger, random: () => 0.5 });
  /** In small steps: what is sent leaves with the event loop's next turn, which a clock knows nothing of. */
  const run = async (ms: number, step = 10) => {
    for (let at = 0; at < ms; at += step) {
      await new Promise((resolve) => setImmediate(resolve));
      await clock.advance(step);
    }
  };
  const away = (isAway: boolean) => {
    for (const node of nodeIds) {
      cluster.down[isAway ? 'add' : 'delete'](node);
      if (isAway) cluster.cut(node);
    }
  };
  return { clock, cluster, producer, run, away };
}

/** What became of a send: the reason of its refusal, or `there`. */
function watch(sending: Promise<void>): { end?: string } {
  const watched: { end?: string } = {};
  sending.then(
    () => {
      watched.end = 'there';
    },
    (error) => {
      watched.end = error instanceof BusError ? error.reason : String(error);
    },
  );
  return watched;
}

const value = (text: string) => Buffer.from(text);

test('after an outage longer than any record waits, the next records go through at once', async () => {
  const { cluster, producer, run, away } = world();
  cluster.topic('t', [1]);
  away(true);
  const sends: { end?: string }[] = [];
  const send = () => sends.push(watch(producer.send('t', { key: 'k', value: value('x') })));
  for (let i = 0; i < 600; i++) {
    send();
    await run(100, 50);
  }
  const late = sends.filter(({ end }) => end === 'timeout').length;
  assert.ok(late > 380, `${late} were told in time`);
  assert.equal(sends.filter(({ end }) => end === 'there').length, 0);
  assert.match(producer.trouble() ?? '', /^Kafka has taken no records for \d+ s: /);
  away(false);
  await run(3000, 50);
  send();
  await run(100);
  assert.equal(sends.at(-1)?.end, 'there');
  assert.equal(producer.trouble(), undefined);
});

test('when a record is refused, what its publisher sent after it is refused with it, and nothing of others', async () => {
  const { cluster, producer, run, away } = world();
  const [partition] = cluster.topic('t', [1]);
  const lane = new Lane();
  const other = new Lane();
  const send = (of: Lane, text: string) =>
    watch(producer.sendCopies({ value: value(text), to: [{ topic: 't', key: 'k' }], lane: of }));
  const before = send(lane, '0');
  await run(200);
  away(true);
  const first = send(lane, '1');
  await run(10_000, 50);
  const behind = [send(lane, '2'), send(lane, '3'), send(other, 'other')];
  await run(10_500, 50);
  assert.equal(before.end, 'there');
  assert.equal(first.end, 'timeout');
  const late = send(lane, '4');
  away(false);
  await run(3000, 50);
  assert.deepEqual(
    [...behind, late].map(({ end }) => end),
    ['timeout', 'timeout', 'there', 'timeout'],
  );
  const again = new Lane(); // the client sends them again over another connection
  for (const text of ['1', '2', '3', '4']) send(again, text);
  await run(200);
  assert.deepEqual(partition!.values, ['0', 'other', '1', '2', '3', '4']);
});

test('what must not be there twice is asked for until it is known, also when it takes longer than any record waits', async () => {
  const { cluster, producer, run, away } = world();
  const [partition] = cluster.topic('t', [1]);
  const send = (text: string, isOnce: boolean) =>
    watch(
      producer.sendCopies({ value: value(text), to: [{ topic: 't', key: 'k' }], lane: new Lane(), isOnce }),
    );
  await run(100);
  send('0', false);
  await run(200);
  cluster.losesAnswer = () => true;
  const first = [send('1', true), send('with it', false)];
  await run(20);
  assert.deepEqual(partition!.values, ['0', '1', 'with it']);
  away(true);
  const behind = [send('2', true), send('3', false)];
  await run(40_000, 50);
  assert.deepEqual(
    [...first, ...behind].map(({ end }) => end),
    [undefined, undefined, 'timeout', 'timeout'],
    'those that never left are surely not there',
  );
  cluster.losesAnswer = () => false;
  away(false);
  await run(3000, 50);
  assert.deepEqual(
    first.map(({ end }) => end),
    ['there', 'there'],
  );
  const last = send('4', false);
  await run(200);
  assert.equal(last.end, 'there');
  assert.deepEqual(partition!.values, ['0', '1', 'with it', '4']);
  cluster.losesAnswer = () => true;
  const never = send('5', true);
  await run(20);
  away(true);
  await run(3_650_000, 5000);
  assert.equal(never.end, 'timeout', 'and not for ever');
});

test('what must not be there twice keeps its numbers while Kafka does not know its topic', async () => {
  const { cluster, producer, run, away } = world();
  const [partition] = cluster.topic('t', [1]);
  const send = (text: string) =>
    watch(
      producer.sendCopies({
        value: value(text),
        to: [{ topic: 't', key: 'k' }],
        lane: new Lane(),
        isOnce: true,
      }),
    );
  await run(100);
  send('0');
  await run(200);
  cluster.losesAnswer = () => true;
  const sent = send('1');
  await run(20);
  away(true);
  cluster.losesAnswer = () => false;
  const topic = cluster.topics.get('t')!;
  cluster.topics.delete('t'); // as a node tells that has just started
  await run(1000, 50);
  away(false);
  await run(5000, 50);
  assert.equal(sent.end, undefined);
  cluster.topics.set('t', topic);
  await run(5000, 50);
  assert.equal(sent.end, 'there');
  assert.deepEqual(partition!.values, ['0', '1']);
});

/** Why a message of QoS 2 cannot be in Kafka, and what tells so. */
const NOT_WRITTEN: Readonly<
  Record<string, (here: ReturnType<typeof world>) => { code?: number; end: string }>
> = {
  'a partition below min.insync.replicas': () => ({ code: ErrorCode.NOT_ENOUGH_REPLICAS, end: 'timeout' }),
  'a topic that may not be written to': () => ({
    code: ErrorCode.TOPIC_AUTHORIZATION_FAILED,
    end: 'timeout',
  }),
  'a topic that was deleted': ({ cluster }) => {
    cluster.topics.delete('t');
    return { end: 'unknown-topic' };
  },
  'a node that nobody can connect to': ({ away }) => {
    away(true);
    return { end: 'timeout' };
  },
};
for (const [what, happens] of Object.entries(NOT_WRITTEN)) {
  test(`what must not be there twice is waited for no longer than the rest when it surely is not there: ${what}`, async () => {
    const here = world();
    const { cluster, producer, run } = here;
    cluster.topic('healthy', [2]);
    const [partition] = cluster.topic('t', [1]);
    const send = (topics: readonly string[], isOnce: boolean) =>
      watch(
        producer.sendCopies({
          value: value('x'),
          to: topics.map((topic) => ({ topic, key: 'k' })),
          lane: new Lane(),
          isOnce,
        }),
      );
    send(['t', 'healthy'], true);
    await run(300);
    const { code, end } = happens(here);
    if (code !== undefined) cluster.refuses = (topic) => (topic === 't' ? code : 0);
    const sent = [send(['t'], true), send(['t'], false)];
    await run(200);
    const behind = send(['t'], false);
    await run(25_000, 50);
    assert.deepEqual(
      [...sent, behind].map((one) => one.end),
      [end, end, end],
    );
    assert.equal(partition!.values.length, 1);
    assert.equal(producer.trouble(), undefined);
  });
}

test('what was written and then refused for what surely was not is asked for nevertheless', async () => {
  for (const doubt of [ErrorCode.NOT_LEADER, ErrorCode.REQUEST_TIMED_OUT]) {
    const { cluster, producer, run } = world();
    const [partition] = cluster.topic('t', [1]);
    const send = (text: string) =>
      watch(producer.sendCopies({ value: value(text), to: [{ topic: 't', key: 'k' }], isOnce: true }));
    send('0');
    await run(300);
    cluster.doubts = () => doubt;
    const sent = send('1');
    await run(50);
    assert.deepEqual(partition!.values, ['0', '1']);
    cluster.refuses = () => ErrorCode.NOT_ENOUGH_REPLICAS;
    cluster.doubts = () => 0;
    await run(60_000, 50);
    assert.equal(sent.end, undefined);
    cluster.refuses = () => 0;
    await run(3000, 50);
    assert.equal(sent.end, 'there');
    assert.deepEqual(partition!.values, ['0', '1']);
  }
});

/** Topics a, b and c, each led by a node of its own, that have had a message; and what sends one of QoS 2 to several of them. */
async function copies() {
  const { clock, cluster, producer, run } = world(3);
  const [a, b, c] = ['a', 'b', 'c'].map((topic, i) => cluster.topic(topic, [i + 1])[0]!);
  const send = (
    text: string,
    topics: string,
    { isOnce = true, lane = new Lane(), there = new Set<string>() } = {},
  ) => {
    const to = [...topics].map((topic) => ({ topic, key: 'k' }));
    const sent = producer.sendCopies({ value: value(text), to, lane, isOnce, there });
    return Object.assign(watch(sent), { there });
  };
  send('0', 'abc');
  await run(300);
  const isAway = (node: number) => {
    cluster.down.add(node);
    cluster.cut(node);
  };
  return { clock, cluster, producer, run, send, isAway, a: a!, b: b!, c: c! };
}

for (const [what, happens] of [
  [
    'a partition without a leader',
    ({ b }) => ({ fails: () => (b.leader = -1), mends: () => (b.leader = 2) }),
  ],
  [
    'a node that is away',
    ({ cluster, isAway }) => ({ fails: () => isAway(2), mends: () => cluster.down.delete(2) }),
  ],
  [
    'a partition below min.insync.replicas',
    ({ cluster }) => ({
      fails: () => (cluster.refuses = (topic) => (topic === 'b' ? ErrorCode.NOT_ENOUGH_REPLICAS : 0)),
      mends: () => (cluster.refuses = () => 0),
    }),
  ],
] as [string, (here: Awaited<ReturnType<typeof copies>>) => { fails(): void; mends(): void }][]) {
  test(`what must not be there twice is not refused for a copy that waits while another is there: ${what}`, async () => {
    const here = await copies();
    const { run, send, a, b } = here;
    const { fails, mends } = happens(here);
    const lane = new Lane();
    fails();
    const first = send('first', 'b', { isOnce: false }); // what comes after it does not even leave
    await run(200);
    const sent = send('1', 'ab', { lane });
    await run(200);
    const nowhere = send('nowhere', 'b');
    const others = [send('other', 'b', { isOnce: false }), send('behind', 'b', { isOnce: false, lane })];
    await run(21_000, 50);
    assert.deepEqual(
      [sent.end, first.end, nowhere.end, ...others.map(({ end }) => end)],
      [undefined, 'timeout', 'timeout', 'timeout', 'timeout'],
      'and nothing else waits for longer with it',
    );
    await run(60_000, 50);
    assert.deepEqual([sent.end, a.values, b.values], [undefined, ['0', '1'], ['0']]);
    mends();
    await run(5000, 50);
    assert.deepEqual([sent.end, a.values, b.values], ['there', ['0', '1'], ['0', '1']]);
  });
}

test('a copy waits no longer than an hour for another that is there', async () => {
  const { run, send, isAway } = await copies();
  isAway(2);
  const sent = send('1', 'ab');
  await run(3_650_000, 5000);
  assert.deepEqual([sent.end, [...sent.there]], ['timeout', ['a']]);
});

test('what must not be there twice, and is nowhere yet, is refused in time', async () => {
  const { cluster, run, send, isAway, a, b } = await copies();
  cluster.refuses = () => ErrorCode.NOT_ENOUGH_REPLICAS;
  const refused = send('refused', 'ab');
  await run(21_000, 50);
  assert.deepEqual([refused.end, refused.there.size], ['timeout', 0]);
  cluster.refuses = () => 0;
  a.leader = b.leader = -1;
  isAway(3);
  send('first', 'abc', { isOnce: false });
  await run(200);
  const sent = [send('1', 'ab'), send('2', 'abc')];
  await run(21_000, 50);
  assert.deepEqual(
    sent.map(({ end, there }) => [end, there.size]),
    [
      ['timeout', 0],
      ['timeout', 0],
    ],
  );
});

test('where a topic never takes its copy, no other copy is waited for, and those that are there are told', async () => {
  const { cluster, run, send, a, b, c } = await copies();
  c.leader = -1;
  send('first', 'c', { isOnce: false });
  await run(200);
  cluster.refuses = (topic) => (topic === 'b' ? ErrorCode.MESSAGE_TOO_LARGE : 0);
  const sent = send('1', 'abc');
  await run(1000);
  assert.deepEqual([sent.end, [...sent.there]], ['too-large', ['a']]);
  c.leader = 3;
  await run(25_000, 50);
  cluster.topics.delete('b');
  const gone = send('2', 'abc');
  await run(10_000, 50);
  assert.equal(gone.end, undefined, 'a node that has just started tells so, too');
  await run(11_000, 50);
  assert.deepEqual([gone.end, [...gone.there]], ['unknown-topic', ['a', 'c']]);
  assert.deepEqual([a.values, b.values, c.values], [['0', '1', '2'], ['0'], ['0', 'first', '2']]);
});

test('what waits for another copy keeps nobody out', async () => {
  const { producer, run, send, a, b } = await copies();
  b.leader = -1;
  const large = 'x'.repeat(1_000_000);
  const sent: { end?: string }[] = [];
  while (!producer.outgoing.isFull) sent.push(send(large, 'ab'));
  await run(30_000, 50);
  assert.equal(a.values.length, 1 + sent.length);
  assert.ok(sent.some(({ end }) => end === 'timeout'));
  assert.ok(sent.some(({ end }) => end === undefined));
  assert.equal(producer.outgoing.isFull, false);
});

test('copies for many topics share the memory of their value, and are taken all or none', async () => {
  const { cluster, producer, run, away } = world();
  const to = Array.from({ length: 4 }, (_, i) => ({ topic: `t${i}`, key: 'c' }));
  for (const { topic } of to) cluster.topic(topic, [1]);
  away(true);
  const large = Buffer.alloc(1_000_000);
  const sends: { end?: string }[] = [];
  while (!producer.outgoing.isFull) sends.push(watch(producer.sendCopies({ value: large, to })));
  assert.ok(sends.length > 40, `${sends.length} messages of 1 MB have room`);
  for (let i = 0; i < 30; i++) sends.push(watch(producer.sendCopies({ value: large, to })));
  await run(100);
  const refused = sends.filter(({ end }) => end === 'full').length;
  assert.ok(refused > 5 && refused < 30);
  const freed = Promise.withResolvers<void>();
  producer.outgoing.whenFree(freed.resolve);
  away(false);
  await run(15_000, 50);
  await freed.promise;
  assert.equal(sends.filter(({ end }) => end === 'there').length, sends.length - refused);
  for (const { topic } of to)
    assert.equal(cluster.topics.get(topic)![0]!.values.length, sends.length - refused);
});

test('a topic that does not exist is told soon, one that was just made is waited for', async () => {
  const { cluster, producer, run } = world();
  const missing = watch(producer.send('missing', { key: null, value: value('x') }));
  await run(3000);
  assert.equal(missing.end, 'unknown-topic');
  const made = watch(producer.send('made', { key: null, value: value('x') }));
  await run(50);
  cluster.topic('made', [2]);
  await run(1000);
  assert.equal(made.end, 'there');
});
