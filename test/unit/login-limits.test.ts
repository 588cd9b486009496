import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoginLimits } from '../../src/control-plane/access/login-limits.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

/** How many of so many tries are let through. */
function through(tries: number, take: (i: number) => void): number {
  let count = 0;
  for (let i = 0; i < tries; i++) {
    try {
      take(i);
      count++;
    } catch (error) {
      assert.match(String(error), /too many tries to log in.*: try again in \d+ s/);
    }
  }
  return count;
}

test('a name from one address has ten tries, and then one in ten seconds', () => {
  const clock = new ManualClock();
  const limits = new LoginLimits(clock);
  assert.equal(
    through(20, () => limits.take('192.0.2.1', 'ada')),
    10,
  );
  clock.advance(10_000);
  assert.equal(
    through(5, () => limits.take('192.0.2.1', 'ada')),
    1,
  );
});

test('an address has thirty tries for all names and tokens, and so has an IPv6 network of 64 bits', () => {
  const limits = new LoginLimits(new ManualClock());
  assert.equal(
    through(50, (i) => limits.take('192.0.2.1', i % 2 ? undefined : `name ${i}`)),
    30,
  );
  assert.equal(
    through(50, (i) => limits.take(`2001:db8::${i}`, `name ${i}`)),
    30,
  );
});

test('who tries many names from one address keeps nobody out who has logged in from there', () => {
  const limits = new LoginLimits(new ManualClock());
  limits.succeeded('192.0.2.1', 'ada');
  assert.equal(
    through(100, (i) => limits.take('192.0.2.1', `name ${i}`)),
    30,
  );
  assert.equal(
    through(20, () => limits.take('192.0.2.1', 'ada')),
    10,
  );
});

test('who tries a name from everywhere is held up, and keeps nobody out who has logged in from his address', () => {
  const limits = new LoginLimits(new ManualClock());
  limits.succeeded('192.0.2.1', 'ada');
  assert.equal(
    through(1000, (i) => limits.take(`198.51.${i >> 8}.${i & 255}`, 'ada')),
    100,
  );
  assert.equal(
    through(20, () => limits.take('192.0.2.1', 'ada')),
    10,
  );
  assert.equal(
    through(1, () => limits.take('192.0.2.2', 'ada')),
    0,
    'from elsewhere she must wait, too',
  );
  assert.equal(
    through(1, () => limits.take('192.0.2.2', 'grace')),
    1,
  );
});

test('it is said whether the name has logged in from there before', () => {
  const limits = new LoginLimits(new ManualClock());
  assert.equal(limits.take('192.0.2.1', 'ada'), false);
  limits.succeeded('192.0.2.1', 'ada');
  assert.equal(limits.take('192.0.2.1', 'ada'), true);
  assert.equal(limits.take('192.0.2.2', 'ada'), false);
  assert.equal(limits.take('192.0.2.1'), false);
});
