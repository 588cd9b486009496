import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { leaseClock } from '../../src/runtime/clock.ts';

/** The two clocks of a machine: it is awake, or suspended; or somebody sets its wall clock. */
function machine() {
  let [awake, wall] = [5000, 1_000_000];
  const lease = leaseClock({ now: () => Math.floor(wall), monotonic: () => awake });
  const pass = (ms: number) => {
    awake += ms;
    wall += ms;
  };
  const set = (ms: number) => {
    wall += ms;
  };
  return { lease, pass, suspend: set, set };
}

test('a lease ages while the machine is suspended, also when the wall clock was set back before', () => {
  const { lease, pass, suspend, set } = machine();
  const begin = lease();
  pass(300);
  assert.equal(lease() - begin, 300);
  set(-3_600_000);
  assert.equal(lease() - begin, 300);
  suspend(20_000);
  assert.ok(lease() - begin >= 20_000);
});

test('whatever happens to the wall clock, a lease is never younger than it is', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('pass' as const), ms: fc.double({ min: 0, max: 5000, noNaN: true }) }),
    fc.record({ kind: fc.constant('suspend' as const), ms: fc.integer({ min: 0, max: 86_400_000 }) }),
    fc.record({ kind: fc.constant('set' as const), ms: fc.integer({ min: -1e9, max: 1e9 }) }),
  );
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const { lease, ...clock } = machine();
      let [age, unseen] = [0, 0];
      const begin = lease();
      let last = begin;
      for (const { kind, ms } of steps) {
        clock[kind](ms);
        if (kind !== 'set') age += ms;
        if (kind === 'suspend' && ms <= 100) unseen += ms; // as little as the clocks differ anyway
        const now = lease();
        assert.ok(now >= last, 'it goes back');
        assert.ok(now - begin >= age - unseen - 101, `${now - begin} of ${age}`);
        last = now;
      }
    }),
  );
});

test('where nothing is set, a lease ages as time passes, however often one looks', () => {
  const { lease, pass } = machine();
  const begin = lease();
  for (let i = 0; i < 100_000; i++) {
    pass(0.13);
    lease();
  }
  assert.ok(Math.abs(lease() - begin - 13_000) < 1);
});
