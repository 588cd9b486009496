import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bus, BusError, type OutgoingRecord, type ReadOptions } from '../../src/bus/bus.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { digestOf, ReceivedNotes } from '../../src/ingress/listener/received-notes.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { testDeps } from '../helpers/test-deps.ts';

const { signal } = new AbortController();
const turn = () => new Promise((resolve) => setImmediate(resolve));
const NOTE = { digest: 5, expiry: 60, origin: '10.0.0.1' };

/** Kafka, as one partition. */
class Log implements Pick<Bus, 'createTopics' | 'send' | 'offsets' | 'read'> {
  readonly records: (OutgoingRecord & { readonly timestamp: number })[] = [];
  fails = false;
  readonly #now: () => number;
  constructor(now: () => number) {
    this.#now = now;
  }
  #fail() {
    if (this.fails) throw new BusError('timeout', 'late');
  }
  async createTopics() {
    this.#fail();
  }
  async send(_: string, record: OutgoingRecord) {
    this.#fail();
    this.records.push({ ...record, timestamp: this.#now() });
  }
  async offsets() {
    return new Map([[0, { start: 0, end: this.records.length }]]);
  }
  async read({ topic, eachBatch }: ReadOptions) {
    const records = this.records.map(({ key, value, timestamp }, offset) => {
      return { topic, partition: 0, offset, timestamp, key, value };
    });
    await eachBatch(records);
  }
}

function world() {
  const clock = new ManualClock();
  const log = new Log(() => clock.now());
  const deps = { ...testDeps(), clock, bus: log, topics: topicsOf('p') };
  const run = (serviceId: string) => new ReceivedNotes({ ...deps, serviceId });
  const found = async (serviceId: string) => {
    const notes = run(serviceId);
    await notes.restore(signal);
    return [...notes.found].map(([clientId, { received, ...rest }]) => {
      return { clientId, ...rest, received: [...received] };
    });
  };
  return { log, clock, run, found, metrics: deps.metrics };
}

test('the next run of a node finds what is stored and not released, of its own clients alone', async () => {
  const { run, found } = world();
  const notes = run('node/1');
  for (const packetId of [1, 2, 65_535]) await notes.stored('a/1', packetId, NOTE);
  await notes.stored('b', 1, NOTE);
  await notes.released('a/1', 2);
  notes.forget('b', [1]);
  await run('node').stored('a/1', 3, NOTE);
  await turn();
  const received = [
    [1, 5],
    [65_535, 5],
  ];
  assert.deepEqual(await found('node/1'), [{ clientId: 'a/1', expiry: 60, origin: '10.0.0.1', received }]);
  assert.deepEqual(await found('another'), []);
});

test('a note lives as long as its session would have, and never more than an hour, however long the node was gone', async () => {
  const { log, clock, run, found } = world();
  const notes = run('n');
  await notes.stored('brief', 1, NOTE);
  await notes.stored('endless', 1, { ...NOTE, expiry: 4_294_967_295 });
  clock.advance(40_000);
  await notes.stored('brief', 2, NOTE);
  clock.advance(30_000);
  const endless = { clientId: 'endless', expiry: 3530, origin: '10.0.0.1', received: [[1, 5]] };
  assert.deepEqual(await found('n'), [
    endless,
    { clientId: 'brief', expiry: 30, origin: '10.0.0.1', received: [[2, 5]] },
  ]);
  await turn();
  assert.deepEqual(
    log.records.slice(3).map(({ key, value }) => [key, value]),
    [['n/1/brief', null]],
    'what is over is taken back',
  );
  clock.advance(3_530_000);
  assert.deepEqual(await found('n'), []);
});

test('a note from the future, by a clock that was set back since, is a new one', async () => {
  const { clock, log, run, found } = world();
  clock.advance(1_000_000);
  await run('n').stored('a', 1, NOTE);
  log.records[0] = { ...log.records[0]!, timestamp: 9_000_000 };
  assert.deepEqual(
    (await found('n')).map(({ expiry }) => expiry),
    [60],
  );
});

test('what cannot be taken back is tried again until it can', async () => {
  const { log, clock, run, found, metrics } = world();
  const notes = run('n');
  await notes.stored('a', 1, NOTE);
  log.fails = true;
  notes.forget('a', [1]);
  await turn();
  clock.advance(5000);
  await turn();
  log.fails = false;
  assert.equal((await found('n')).length, 1);
  clock.advance(5000);
  await turn();
  clock.advance(120_000); // the last report of what failed
  assert.deepEqual([await found('n'), clock.timers], [[], 0]);
  assert.equal((await metrics.mqttNotesFailed.get()).values[0]?.value, 2, 'each try that failed is counted');
});

test('thousands of sessions that end at once leave no note behind', async () => {
  const { log, run, found } = world();
  const notes = run('n');
  for (let i = 0; i < 3000; i++) await notes.stored(`c${i}`, 1, NOTE);
  let [together, most] = [0, 0];
  const send = log.send.bind(log);
  log.send = async (topic, record) => {
    together++;
    most = Math.max(most, together);
    await turn();
    together--;
    return send(topic, record);
  };
  for (let i = 0; i < 3000; i++) notes.forget(`c${i}`, [1]);
  for (let i = 0; i < 10; i++) await turn();
  assert.deepEqual([(await found('n')).length, most], [0, 1000]);
});

test('of notes that wait to be taken back the memory is bounded, and what is left is counted', async () => {
  const { log, run, metrics } = world();
  const notes = run('n');
  const never = new Promise<void>(() => {});
  log.send = () => never;
  const clientId = 'c'.repeat(60_000);
  for (let i = 0; i < 2000; i++) notes.forget(`${i}${clientId}`, [1]);
  const left = (await metrics.mqttNotesFailed.get()).values[0]?.value ?? 0;
  assert.ok(left > 800 && left < 1000, `${left}`);
});

test('a note is taken back also when its session ends while that of the session before is on its way back', async () => {
  const { log, run, found, clock } = world();
  const notes = run('n');
  await notes.stored('a', 1, NOTE);
  const send = log.send.bind(log);
  const answers: PromiseWithResolvers<void>[] = [];
  log.send = async (topic, record) => {
    const answer = Promise.withResolvers<void>();
    answers.push(answer);
    await send(topic, record);
    return answer.promise;
  };
  notes.forget('a', [1]);
  const second = notes.stored('a', 1, NOTE);
  notes.forget('a', [1]);
  for (let i = 0; i < 5; i++) {
    for (const { resolve } of answers.splice(0)) resolve();
    await turn();
    clock.advance(5000);
  }
  await second;
  assert.deepEqual(await found('n'), []);
});

test('a note of an earlier session is taken back also where the one in its place was never written', async () => {
  const { log, clock, run, found } = world();
  const notes = run('n');
  for (const packetId of [1, 2]) await notes.stored('a', packetId, NOTE);
  log.fails = true;
  notes.forget('a', [1]);
  const second = notes.stored('a', 1, NOTE);
  notes.forget('a', [2]); // waits
  assert.equal(await second, false);
  assert.equal(await notes.stored('a', 2, NOTE), false);
  log.fails = false;
  clock.advance(5000);
  await turn();
  assert.deepEqual(await found('n'), []);
});

test('what is noted of sessions that end one after the other is taken back of each', async () => {
  const { run, found } = world();
  const notes = run('n');
  for (const clientId of ['a', 'b', 'c']) await notes.stored(clientId, 1, NOTE);
  for (const clientId of ['a', 'b']) {
    notes.forget(clientId, [1]);
    await turn();
  }
  assert.deepEqual(
    (await found('n')).map(({ clientId }) => clientId),
    ['c'],
  );
});

test('a note of a newer session is not taken back with those of the one before', async () => {
  const { log, clock, run, found } = world();
  const notes = run('n');
  for (let packetId = 1; packetId <= 2500; packetId++) await notes.stored('a', packetId, NOTE);
  log.fails = true;
  notes.forget(
    'a',
    Array.from({ length: 2500 }, (_, index) => index + 1),
  );
  await turn();
  log.fails = false;
  for (const packetId of [1, 2400]) await notes.stored('a', packetId, { ...NOTE, digest: 6 });
  clock.advance(5000);
  for (let i = 0; i < 10; i++) await turn();
  const received = [
    [1, 6],
    [2400, 6],
  ];
  assert.deepEqual(await found('n'), [{ clientId: 'a', expiry: 55, origin: '10.0.0.1', received }]);
});

test('a note that Kafka does not take holds nothing up, and is counted; taking one back is told', async () => {
  const { log, run, metrics } = world();
  const notes = run('n');
  log.fails = true;
  await notes.stored('a', 1, NOTE);
  const failed = async () => (await metrics.mqttNotesFailed.get()).values[0]?.value;
  assert.equal(await failed(), 1);
  await assert.rejects(notes.released('a', 1), { name: 'BusError' });
  assert.equal(await failed(), 2);
});

test('a note that is surely not on Kafka need not be taken back, nor one of a topic that is gone', async () => {
  const { log, run } = world();
  const notes = run('n');
  const answers: [string, boolean][] = [];
  for (const reason of ['timeout', 'full', 'too-large', 'unknown-topic', 'closed'] as const) {
    log.send = () => Promise.reject(new BusError(reason, 'no'));
    answers.push([reason, await notes.stored('a', 1, NOTE)]);
  }
  assert.deepEqual(answers, [
    ['timeout', false],
    ['full', false],
    ['too-large', false],
    ['unknown-topic', false],
    ['closed', true],
  ]);
  log.send = () => Promise.reject(new BusError('unknown-topic', 'gone'));
  await notes.released('a', 1);
});

test('without the topic of sessions they end with the process', async () => {
  const { log, run } = world();
  log.fails = true;
  const notes = run('n');
  await notes.restore(signal);
  log.fails = false;
  await notes.stored('a', 1, NOTE);
  await notes.released('a', 1);
  assert.deepEqual(log.records, []);
});

test('a digest is of the topic name and the payload', () => {
  const digest = (topicName: string, payload: string) =>
    digestOf({ topicName, payload: Buffer.from(payload) });
  const all = [digest('a', 'b'), digest('b', 'b'), digest('a', 'c'), digest('a', '')];
  assert.equal(new Set(all).size, 4);
  assert.equal(digest('a', 'b'), all[0]);
});
