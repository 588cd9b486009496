import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Periodic } from '../../src/control-plane/periodic.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { testDeps } from '../helpers/test-deps.ts';

test('work that fails, or does not end, is in trouble until a run succeeds', async () => {
  const clock = new FakeClock();
  let work = async (): Promise<undefined> => undefined;
  const options = { name: 'publishing', interval: 1000, work: () => work() };
  const periodic = new Periodic(options, { ...testDeps(), clock, random: () => 1 });
  await clock.advance(10_000);
  assert.equal(periodic.trouble(), undefined);
  work = async () => {
    throw new Error('it is away');
  };
  await clock.advance(2000);
  assert.equal(periodic.trouble(), 'publishing: it is away');
  const hanging = Promise.withResolvers<undefined>();
  work = () => hanging.promise;
  await clock.advance(3000);
  assert.equal(periodic.trouble(), 'publishing: it is away', 'nothing has come of it yet');
  hanging.resolve(undefined);
  work = async () => undefined;
  await clock.advance(2000);
  assert.equal(periodic.trouble(), undefined);
  const silent = Promise.withResolvers<undefined>();
  work = () => silent.promise;
  await clock.advance(15_000);
  assert.equal(periodic.trouble(), undefined);
  await clock.advance(3000);
  assert.match(periodic.trouble() ?? '', /^publishing: it has taken 1[67] s$/);
  silent.resolve(undefined);
  work = async () => undefined;
  await clock.advance(1000);
  assert.equal(periodic.trouble(), undefined);
  await periodic[Symbol.asyncDispose]();
});

/** Periodic work that counts its runs. */
function counting(work: () => Promise<boolean | undefined> = async () => undefined) {
  const clock = new FakeClock();
  const state = { clock, runs: 0, work };
  const run = () => {
    state.runs++;
    assert.ok(state.runs < 1000, 'it runs without a pause');
    return state.work();
  };
  const options = { name: 'publishing', interval: 10_000, work: run };
  const periodic = new Periodic(options, { ...testDeps(), clock, random: () => 1 });
  return Object.assign(state, { periodic });
}

test('who is woken runs at once, once, and pauses again', async () => {
  const state = counting();
  const { clock, periodic } = state;
  await clock.advance(1000);
  assert.equal(state.runs, 1);
  periodic.wake();
  await clock.advance(1000);
  assert.equal(state.runs, 2);
  await clock.advance(8000);
  assert.equal(state.runs, 2);
  await clock.advance(2000);
  assert.equal(state.runs, 3);
  await periodic[Symbol.asyncDispose]();
  assert.equal(clock.timers, 0);
});

test('who is woken during a run runs again after it', async () => {
  const slow = Promise.withResolvers<undefined>();
  const state = counting(() => slow.promise);
  const { clock, periodic } = state;
  await clock.advance(1000);
  periodic.wake();
  await clock.advance(1000);
  assert.equal(state.runs, 1, 'one run at a time');
  state.work = async () => undefined;
  slow.resolve(undefined);
  await clock.advance(1000);
  assert.equal(state.runs, 2);
  await periodic[Symbol.asyncDispose]();
});

test('who fails is not hurried by being woken; who has more to do does not wait', async () => {
  const state = counting(async () => {
    throw new Error('it is away');
  });
  const { clock, periodic } = state;
  await clock.advance(10_000);
  const { runs } = state;
  for (let i = 0; i < 10; i++) {
    periodic.wake();
    await clock.advance(10);
  }
  assert.ok(state.runs <= runs + 1, `${state.runs - runs} runs in 100 ms`);
  let left = 5;
  state.work = async () => --left > 0;
  await clock.advance(3000);
  assert.equal(left, 0);
  await periodic[Symbol.asyncDispose]();
});
