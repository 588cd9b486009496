import assert from 'node:assert/strict';
import { test } from 'node:test';
import { executorConditions } from '../../src/executor/conditions.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { type Condition, Readiness } from '../../src/runtime/readiness.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

/** Watches conditions of a service each; what is told of changes, and what is logged. */
function watching(...conditions: readonly Condition[]) {
  const clock = new FakeClock();
  const logged: string[] = [];
  const logger = createLogger('info', clock, (line) => logged.push(line));
  const parts = conditions.map((condition) => ({
    services: [`penstock.${condition.name}`],
    conditions: [condition],
  }));
  const readiness = new Readiness(parts, { clock, logger });
  const watched = { clock, logged, readiness, changes: 0 };
  readiness.onChange(() => watched.changes++);
  return watched;
}

test('a node is not ready once something was in trouble for long, and ready again when it is out of it', async () => {
  let trouble: string | undefined;
  const watched = watching({ name: 'postgresql', patience: 5000, trouble: () => trouble });
  const { clock, readiness, logged } = watched;
  await clock.advance(10_000);
  assert.deepEqual(readiness.problems(), []);
  trouble = 'it is away';
  await clock.advance(5000);
  assert.deepEqual(readiness.problems(), []);
  trouble = 'it is still away';
  await clock.advance(1000);
  const problem = { name: 'postgresql', reason: 'it is still away' };
  assert.deepEqual(readiness.problems(), [problem]);
  assert.equal(watched.changes, 1);
  await clock.advance(60_000);
  assert.equal(watched.changes, 1);
  trouble = undefined;
  await clock.advance(1000);
  assert.deepEqual(readiness.problems(), []);
  assert.equal(watched.changes, 2);
  assert.deepEqual(
    logged.map((line) => JSON.parse(line).message),
    ['this node is not ready', 'this node is ready again'],
  );
  readiness[Symbol.dispose]();
});

test('what is in trouble is looked at at once when somebody knows that it may be over', async () => {
  let trouble: string | undefined = 'not yet';
  const watched = watching({ name: 'restore', patience: 0, trouble: () => trouble });
  const { clock, readiness } = watched;
  await clock.advance(100);
  assert.deepEqual(readiness.problems(), [{ name: 'restore', reason: 'not yet' }]);
  trouble = undefined;
  await readiness.look();
  assert.deepEqual([readiness.problems(), watched.changes], [[], 2]);
  readiness[Symbol.dispose]();
});

test('what comes and goes is no trouble', async () => {
  let looks = 0;
  const watched = watching({
    name: 'postgresql',
    patience: 5000,
    trouble: () => (looks++ % 4 === 0 ? undefined : 'now and then'),
  });
  await watched.clock.advance(60_000);
  assert.ok(looks > 50);
  assert.equal(watched.changes, 0);
  watched.readiness[Symbol.dispose]();
});

test('each service has the problems of what it rests on, the node has all', async () => {
  const watched = watching(
    { name: 'one', patience: 0, trouble: async () => 'away' },
    { name: 'two', patience: 0, trouble: () => undefined },
    {
      name: 'three',
      patience: 0,
      trouble: () => {
        throw new Error('it broke');
      },
    },
  );
  const { clock, readiness } = watched;
  await clock.advance(1);
  assert.deepEqual(readiness.problems('penstock.one'), [{ name: 'one', reason: 'away' }]);
  assert.deepEqual(readiness.problems('penstock.two'), []);
  assert.deepEqual(readiness.problems(), [
    { name: 'one', reason: 'away' },
    { name: 'three', reason: 'it broke' },
  ]);
  readiness[Symbol.dispose]();
});

test('a condition that does not answer is in trouble, and holds up no other one', async () => {
  let looks = 0;
  const watched = watching(
    { name: 'silent', patience: 5000, trouble: () => new Promise(() => {}) },
    {
      name: 'other',
      patience: 0,
      trouble: () => {
        looks++;
        return undefined;
      },
    },
  );
  const { clock, readiness } = watched;
  await clock.advance(10_000);
  assert.equal(looks, 11);
  await clock.advance(12_000);
  assert.deepEqual(readiness.problems(), [{ name: 'silent', reason: 'silent: no answer within 10000 ms' }]);
  readiness[Symbol.dispose]();
  assert.equal(clock.timers, 0);
});

test('an executor needs its lease, and to have read the configuration of what is its own', async () => {
  let holdsLease = true;
  let unread: string[] = [];
  const membership = {
    holdsLease: () => holdsLease,
    joined: Promise.resolve(),
    committed: async () => [],
    members: async () => new Set(['m']),
  };
  const restore = {
    membership: { ...membership, async [Symbol.asyncDispose]() {} },
    restoring: undefined,
    get unread() {
      return unread;
    },
  };
  const { clock, readiness } = watching(...executorConditions(restore));
  const names = () => readiness.problems().map(({ name }) => name);
  unread = ['a/0', 'a/1', 'a/2', 'a/3'];
  await clock.advance(4000);
  holdsLease = false;
  await clock.advance(4000);
  assert.deepEqual(names(), []);
  await clock.advance(4000);
  assert.deepEqual(names(), ['lease']);
  holdsLease = true;
  await clock.advance(5000);
  assert.deepEqual(readiness.problems(), [
    {
      name: 'integrations',
      reason: '4 partitions of the configuration are not read yet: a/0, a/1, a/2, …',
    },
  ]);
  unread = [];
  await clock.advance(1000);
  assert.deepEqual(names(), []);
  readiness[Symbol.dispose]();
});
