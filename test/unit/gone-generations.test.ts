import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GoneGenerations } from '../../src/bus/gone-generations.ts';

test('the newest generation that is gone counts, in whatever order they are told', () => {
  const gone = new GoneGenerations();
  for (const generation of [5n, 3n]) gone.note('a', generation);
  assert.equal(gone.of('a'), 5n);
  assert.deepEqual([gone.has('a', 5n), gone.has('a', 6n), gone.has('b', 1n)], [true, false, false]);
});

test('of too many keys those that were not told of for the longest are forgotten', () => {
  const gone = new GoneGenerations();
  gone.note('a', 1n);
  gone.note('b', 1n);
  gone.note('a', 1n);
  for (let i = 0; i < 49_999; i++) gone.note(String(i), 1n);
  assert.deepEqual([gone.has('a', 1n), gone.has('b', 1n)], [true, false]);
});
