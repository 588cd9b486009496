import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bits } from '../../src/control-plane/watches/bits.ts';
import { OneByOne } from '../../src/runtime/one-by-one.ts';

test('bits are a set of numbers, and are taken the lowest first', () => {
  const bits = new Bits();
  const there = new Set<number>();
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 48271) % 0x7fffffff;
    return seed % below;
  };
  for (let n = 0; n < 20_000; n++) {
    const one = random(3000);
    if (random(3) > 0) {
      bits.add(one);
      there.add(one);
    } else assert.equal(bits.delete(one), there.delete(one));
    assert.equal(bits.has(one), there.has(one));
  }
  const inOrder = [...there].toSorted((a, b) => a - b);
  assert.ok(inOrder.some((n) => n % 32 === 31));
  assert.deepEqual(bits.take(100), inOrder.slice(0, 100));
  assert.deepEqual(bits.take(5000), inOrder.slice(100));
  assert.deepEqual(bits.take(1), []);
  assert.equal(bits.has(1_000_000), false);
});

test('one thing is done at a time, what is urgent before what waits, also after a failure', async () => {
  const jobs = new OneByOne();
  const done: string[] = [];
  let running = 0;
  const job = (name: string, isUrgent = false) =>
    jobs[isUrgent ? 'runFirst' : 'run'](async () => {
      assert.equal(++running, 1, `${name} comes between`);
      await Promise.resolve();
      running--;
      done.push(name);
      if (name === 'b') throw new Error('no');
    });
  const all = [job('a'), job('b'), job('c'), job('urgent', true)];
  await Promise.allSettled(all);
  assert.deepEqual(done, ['a', 'urgent', 'b', 'c']);
  await assert.rejects(all[1]!, /no/);
});

test('what waits for what fails fails with it at once', async () => {
  const jobs = new OneByOne();
  const away = Promise.withResolvers<void>();
  let ran = 0;
  const first = jobs.runFirst(() => away.promise);
  const waiting = [1, 2].map(() => jobs.run(async () => ran++));
  away.reject(new Error('away'));
  for (const one of [first, ...waiting, jobs.run(async () => ran++)]) await assert.rejects(one, /away/);
  assert.equal(ran, 0);
});
