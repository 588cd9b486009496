import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Limit } from '../../src/runtime/limit.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

const never = new AbortController().signal;

test('so many run at a time, the others in order', async () => {
  const limit = new Limit(2, 1000, new FakeClock());
  const ends = Array.from({ length: 4 }, () => Promise.withResolvers<void>());
  const started: number[] = [];
  const runs = ends.map(({ promise }, i) =>
    limit.run(async () => {
      started.push(i);
      await promise;
    }, never),
  );
  await Promise.resolve();
  assert.deepEqual(started, [0, 1]);
  ends[1]!.resolve();
  await runs[1];
  await Promise.resolve();
  assert.deepEqual(started, [0, 1, 2]);
  for (const { resolve } of ends) resolve();
  await Promise.all(runs);
  assert.deepEqual(started, [0, 1, 2, 3]);
});

test('who is given up while it waits ends at once, and takes no turn from others', async () => {
  const limit = new Limit(1, 1000, new FakeClock());
  const first = Promise.withResolvers<void>();
  const running = limit.run(() => first.promise, never);
  const stop = new AbortController();
  const given = limit.run(async () => assert.fail('it ran'), stop.signal);
  const next = limit.run(async () => 'ran', never);
  stop.abort(new Error('given up'));
  await assert.rejects(given, /given up/);
  await assert.rejects(
    limit.run(async () => assert.fail('it ran'), stop.signal),
    /given up/,
  );
  first.resolve();
  await running;
  assert.equal(await next, 'ran');
  assert.equal(await limit.run(async () => 'and again', never), 'and again');
});

test('what hangs gives its place to the next one after its time, and only once', async () => {
  const clock = new FakeClock();
  const limit = new Limit(2, 1000, clock);
  const started: number[] = [];
  const ends = Array.from({ length: 7 }, () => Promise.withResolvers<void>());
  const runs = ends.map(({ promise }, i) =>
    limit.run(async () => {
      started.push(i);
      await promise;
      return i;
    }, never),
  );
  await clock.advance(999);
  assert.deepEqual(started, [0, 1]);
  await clock.advance(1);
  assert.deepEqual(started, [0, 1, 2, 3]);
  ends[0]!.resolve(); // it has no place any more
  ends[2]!.resolve();
  assert.equal(await runs[0], 0, 'it went on without a place');
  await clock.advance(0);
  assert.deepEqual(started, [0, 1, 2, 3, 4]);
  await clock.advance(1000);
  assert.deepEqual(started, [0, 1, 2, 3, 4, 5, 6]);
  for (const { resolve } of ends) resolve();
  await Promise.all(runs);
  assert.equal(clock.timers, 0);
});
