import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteLimit } from '../../src/runtime/byte-limit.ts';

test('who waits is called once, when bytes have left and there is room', () => {
  const limit = new ByteLimit(100);
  let calls = 0;
  const call = () => {
    calls++;
  };
  limit.add(99);
  assert.equal(limit.isFull, false);
  limit.add(51);
  limit.whenFree(call);
  limit.whenFree(call);
  limit.remove(50);
  assert.deepEqual([limit.isFull, calls], [true, 0]);
  limit.remove(1);
  assert.deepEqual([limit.isFull, calls], [false, 1]);
  limit.remove(1);
  assert.equal(calls, 1);
});

test('who waits again while it is called waits for the next bytes that leave, and who gives up is not called', () => {
  const limit = new ByteLimit(1);
  let calls = 0;
  const again = () => {
    calls++;
    limit.whenFree(again);
  };
  limit.add(2);
  limit.whenFree(again);
  limit.remove(2);
  assert.equal(calls, 1);
  limit.remove(0);
  assert.equal(calls, 2);
  limit.cancel(again);
  limit.remove(0);
  assert.equal(calls, 2);
});
