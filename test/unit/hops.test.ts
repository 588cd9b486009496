import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOPS, takeHops } from '../../src/contract/hops.ts';

const hops = (value: string) => ({ key: HOPS, value });
const other = { key: 'a', value: '9' };

test('the last count of the hops counts, and none is a user property any more', () => {
  assert.deepEqual(takeHops([]), { hopCount: 0, userProperties: [] });
  assert.deepEqual(takeHops([other]), { hopCount: 0, userProperties: [other] });
  assert.deepEqual(takeHops([hops('7'), other, hops('3'), other]), {
    hopCount: 3,
    userProperties: [other, other],
  });
});

test('what is no number counts as 0, and what is too large as the largest', () => {
  for (const value of ['', 'x', '-1', '1.5', ' 1', '0x1', '1e3', 'Infinity']) {
    assert.equal(takeHops([hops(value)]).hopCount, 0, value);
  }
  assert.equal(takeHops([hops('007')]).hopCount, 7);
  assert.equal(takeHops([hops('9'.repeat(400))]).hopCount, 0xffff_ffff);
});
