import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missingParts, partLength } from '../../src/control-plane/store/time-partitions.ts';

const DAY = 86_400_000;

test('what is kept is in eight parts or a few more, down to a minute', () => {
  assert.equal(partLength(60_000), 60_000);
  assert.equal(partLength(DAY), 3 * 3_600_000);
  assert.equal(partLength(7 * DAY), DAY);
  assert.equal(partLength(90 * DAY), 14 * DAY);
  assert.equal(partLength(3650 * DAY), 30 * DAY);
});

test('parts end at multiples of their length, and fill what is left between others', () => {
  const parts = (there: readonly (readonly [number, number])[], start: number, end: number) =>
    missingParts(
      there.map(([from, until]) => ({ start: from, end: until })),
      { start, end },
      10,
    ).map((part) => [part.start, part.end]);
  assert.deepEqual(parts([], 12, 31), [
    [10, 20],
    [20, 30],
    [30, 40],
  ]);
  assert.deepEqual(parts([[-Infinity, 23]], 12, 31), [
    [23, 30],
    [30, 40],
  ]);
  assert.deepEqual(
    parts(
      [
        [15, 17],
        [30, 45],
      ],
      12,
      31,
    ),
    [
      [10, 15],
      [17, 20],
      [20, 30],
    ],
  );
  assert.deepEqual(parts([[0, 100]], 12, 31), []);
});
