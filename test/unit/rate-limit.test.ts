import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressKey } from '../../src/rpc/caller-key.ts';
import { RateLimit } from '../../src/runtime/rate-limit.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

test('so many are let through at once, and then as many a minute, whenever they are asked for', () => {
  const pauses = fc.array(fc.nat(1500), { minLength: 50, maxLength: 300 });
  fc.assert(
    fc.property(pauses, (list) => {
      const clock = new ManualClock();
      const limit = new RateLimit({ atOnce: 5, perMinute: 60 }, clock);
      let through = 0;
      for (const pause of list) {
        clock.advance(pause);
        const wait = limit.take('a');
        if (wait === 0) through++;
        const most = 5 + Math.floor(clock.monotonic() / 1000);
        assert.ok(through <= most, `${through} of ${most}`);
        assert.ok(wait <= 1000);
        if (wait > 0) assert.ok(through >= 5);
      }
    }),
  );
});

test('who waits as long as it is told is let through, and who asks before is not', () => {
  const clock = new ManualClock();
  const limit = new RateLimit({ atOnce: 1, perMinute: 7 }, clock);
  assert.equal(limit.take('a'), 0);
  for (let i = 0; i < 100; i++) {
    const wait = limit.take('a');
    clock.advance(wait - 1);
    assert.equal(limit.take('a'), 1);
    clock.advance(1);
    assert.equal(limit.take('a'), 0);
  }
});

test('each has a rate of its own; what is asked for by several keeps the rates of all, or takes nothing', () => {
  const clock = new ManualClock();
  const limit = new RateLimit({ atOnce: 2, perMinute: 1 }, clock);
  assert.equal(limit.take('name', 'address'), 0);
  assert.equal(limit.take('name', 'elsewhere'), 0);
  assert.notEqual(limit.take('name', 'address'), 0);
  assert.equal(limit.take('other', 'address'), 0, 'the one that was refused took nothing of the address');
  assert.equal(limit.take('same', 'same'), 0);
  assert.equal(limit.take('same'), 0, 'the same key twice counts once');
});

test('no more are remembered than may be, and nobody who has asked for nothing lately', () => {
  const clock = new ManualClock();
  const limit = new RateLimit({ atOnce: 2, perMinute: 60 }, clock, 100);
  for (let i = 0; i < 1000; i++) limit.take(`${i}`);
  assert.equal(limit.size, 100);
  clock.advance(10_000);
  limit.take('a');
  assert.equal(limit.size, 1);
});

test('addresses that one machine has at its choice are one', () => {
  const keys = [
    ['127.0.0.1', '127.0.0.1'],
    ['::ffff:10.0.0.7', '10.0.0.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:0DB8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::9', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['', ''],
  ];
  for (const [address, key] of keys) assert.equal(addressKey(address!), key, address);
});
