import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import {
  deadLettersLock,
  lockDeadLetters,
  lockUnredriven,
  lookLock,
} from '../../src/control-plane/integrations/guards.ts';
import type { Queries } from '../../src/control-plane/store/database.ts';
import type { Lock } from '../../src/control-plane/store/locks.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

/** Locks of PostgreSQL, in memory. */
function world() {
  const held = new Set<string>();
  const tryLock = async (name: string): Promise<Lock | undefined> => {
    if (held.has(name)) return undefined;
    held.add(name);
    const signal = new AbortController().signal;
    return { signal, prove: async () => {}, [Symbol.asyncDispose]: async () => void held.delete(name) };
  };
  const clock = new FakeClock();
  return { held, clock, deps: { locks: { tryLock }, clock } };
}

test('who looks at dead letters for a moment is waited for by a redrive', async () => {
  const { held, clock, deps } = world();
  held.add(lookLock('i')).add(deadLettersLock('i'));
  const locking = lockDeadLetters(deps, 'i');
  await clock.advance(1000);
  held.clear();
  await clock.advance(200);
  await using lock = await locking;
  assert.ok(lock);
  assert.deepEqual([...held], [deadLettersLock('i')]);
});

test('another redrive is told at once, and a look without end some time later, as what it is', async () => {
  const { held, clock, deps } = world();
  held.add(deadLettersLock('i'));
  await assert.rejects(lockDeadLetters(deps, 'i'), { code: Code.FAILED_PRECONDITION, message: /is running/ });
  assert.deepEqual([...held], [deadLettersLock('i')]);
  held.add(lookLock('i'));
  const lookedAt = { code: Code.UNAVAILABLE, message: /are being looked at: call again/ };
  const refused = assert.rejects(lockDeadLetters(deps, 'i'), lookedAt);
  await clock.advance(10_000);
  await refused;
});

test('a redrive that is to go on keeps others away also while it has no place, and so no lock', async () => {
  const { held, deps } = world();
  const toGoOn = ['r'];
  const db = { query: async () => toGoOn } as unknown as Queries;
  await assert.rejects(lockUnredriven({ ...deps, db }, 'i'), { message: /is running/ });
  assert.deepEqual([...held], []);
  toGoOn.pop();
  await using lock = await lockUnredriven({ ...deps, db }, 'i');
  assert.ok(lock);
  assert.deepEqual([...held], [deadLettersLock('i')]);
});
