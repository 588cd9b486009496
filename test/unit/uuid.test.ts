import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { createUuidV7, uuidOfName } from '../../src/contract/uuid.ts';
import { uuidText } from '../../src/contract/uuid-text.ts';

const VERSION_7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const VERSION_5 = /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test('a UUID of version 7 holds its time, and ends at random', () => {
  const fill = (bytes: Uint8Array) => {
    for (let i = 0; i < bytes.length; i++) bytes[i] = 0xf0 + (i % 10);
  };
  const newId = createUuidV7(() => 0x0123_4567_89ab, fill);
  assert.equal(uuidText(newId()), '01234567-89ab-70f1-b2f3-f4f5f6f7f8f9');
  assert.equal(uuidText(newId()), '01234567-89ab-70f2-b2f3-f4f5f6f7f8f9');
});

test('each is greater than the one before, whatever the clock does', () => {
  const times = fc.array(fc.tuple(fc.nat(5), fc.nat(3000)), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(times, (steps) => {
      let now = 0;
      const newId = createUuidV7(() => now, randomFillSync);
      const made: string[] = [];
      for (const [time, count] of steps) {
        now = time;
        for (let i = 0; i < count; i++) made.push(uuidText(newId()));
      }
      assert.ok(made.every((id) => VERSION_7.test(id)));
      assert.ok(made.every((id, i) => i === 0 || id > made[i - 1]!));
    }),
    { numRuns: 30 },
  );
});

test('a name has one UUID of version 5', () => {
  assert.match(uuidOfName('a'), VERSION_5);
  assert.equal(uuidOfName('a'), uuidOfName(Buffer.from('a')));
  assert.notEqual(uuidOfName('a'), uuidOfName('b'));
});
