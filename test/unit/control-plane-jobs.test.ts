import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bus, BusError } from '../../src/bus/bus.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { Jobs } from '../../src/control-plane/jobs/jobs.ts';
import type { Database } from '../../src/control-plane/store/database.ts';
import type { Locks } from '../../src/control-plane/store/locks.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { testDeps } from '../helpers/test-deps.ts';

const INTERVAL = 500;

/** Replays that go on until they are told to leave their places, and are never over. */
function world(ids: readonly string[]) {
  const clock = new FakeClock();
  const begun: string[] = [];
  const runs = new Map<string, PromiseWithResolvers<never[]>>();
  const db = {
    async query(sql: string, [id = '']: readonly string[] = []) {
      if (sql.startsWith('select id, kind'))
        return ids.map((one) => ({ id: one, kind: 'replay', sourceId: 's' }));
      begun.push(id);
      const run = Promise.withResolvers<never[]>();
      runs.set(id, run);
      return run.promise;
    },
  };
  const lock = { signal: new AbortController().signal, async prove() {}, async [Symbol.asyncDispose]() {} };
  const jobs = new Jobs({
    ...testDeps(),
    clock,
    random: () => 1,
    db: db as unknown as Database,
    locks: { tryLock: async () => lock } as unknown as Locks,
    serviceId: 'cp',
    bus: {
      read: () => assert.fail(),
      send: () => assert.fail(),
      partitions: () => assert.fail(),
      offsets: () => assert.fail(),
    },
    topics: topicsOf('p'),
  });
  const leave = async (id: string) => {
    runs.get(id)?.resolve([]);
    await clock.advance(INTERVAL);
  };
  const stop = async () => {
    const ended = jobs[Symbol.asyncDispose]();
    for (const run of runs.values()) run.resolve([]);
    await clock.advance(INTERVAL);
    await ended;
  };
  return { clock, begun, leave, stop };
}

test('a few replays run at a time, and of the others those that ran longest ago are next', async () => {
  const { clock, begun, leave, stop } = world(['a', 'b', 'c', 'd', 'e', 'f']);
  await clock.advance(1);
  assert.deepEqual(begun.splice(0), ['a', 'b', 'c', 'd']);
  for (const id of ['c', 'a', 'b', 'e']) await leave(id);
  assert.deepEqual(begun, ['e', 'f', 'a', 'b']);
  await stop();
});

const TURN = 10_000;

/** Five redrives for four places: of each the reading that is `hangs` goes on until it is told to stop. */
function redrives(hangs: 'count' | 'second reading') {
  const clock = new FakeClock();
  const ids = ['a', 'b', 'c', 'd', 'e'];
  const begun: string[] = [];
  const readings = new Map<string, number>();
  const db = {
    async query(sql: string, [id = '']: readonly string[] = []) {
      if (sql.startsWith('select id, kind'))
        return ids.map((one) => ({ id: one, kind: 'redrive', sourceId: one }));
      if (sql.startsWith('select * from jobs')) {
        begun.push(id);
        return [{ id, integration_id: id, target_integration_id: id, request: Buffer.of(), total: null }];
      }
      return sql.startsWith('select partition') ? [{ partition: 0, next_offset: '0', end_offset: '9' }] : [];
    },
    transaction: (work: (queries: object) => Promise<unknown>) => work(db),
  };
  const read = async ({ topic, signal }: { readonly topic: string; readonly signal: AbortSignal }) => {
    const reading = (readings.get(topic) ?? 0) + 1;
    readings.set(topic, reading);
    if (hangs === 'count' || reading > 1) {
      await new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
      });
    }
  };
  const noTopic = () => Promise.reject(new BusError('unknown-topic', 'there is none'));
  const lock = { signal: new AbortController().signal, async prove() {}, async [Symbol.asyncDispose]() {} };
  const jobs = new Jobs({
    ...testDeps(),
    clock,
    random: () => 1,
    db: db as unknown as Database,
    locks: { tryLock: async () => lock } as unknown as Locks,
    serviceId: 'cp',
    bus: {
      read: read as unknown as Bus['read'],
      send: () => assert.fail(),
      partitions: noTopic,
      offsets: noTopic,
    },
    topics: topicsOf('p'),
  });
  return { clock, begun, jobs };
}

test('who has moved on leaves its place to the next after a while', async () => {
  const { clock, begun, jobs } = redrives('second reading');
  await clock.advance(1);
  assert.deepEqual(begun.splice(0), ['a', 'b', 'c', 'd']);
  await clock.advance(TURN + 2 * INTERVAL);
  assert.equal(begun[0], 'e');
  await jobs[Symbol.asyncDispose]();
});

test('who came nowhere has twice as long the next time: it begins anew', async () => {
  const { clock, begun, jobs } = redrives('count');
  await clock.advance(1);
  assert.deepEqual(begun, ['a', 'b', 'c', 'd']);
  const timesOfA = () => begun.filter((id) => id === 'a').length;
  for (; timesOfA() < 2; ) await clock.advance(INTERVAL);
  await clock.advance(1.7 * TURN);
  assert.equal(timesOfA(), 2);
  for (; timesOfA() < 3; ) await clock.advance(INTERVAL);
  await jobs[Symbol.asyncDispose]();
});
