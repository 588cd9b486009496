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
