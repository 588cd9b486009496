import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BusError, type OffsetRange, type Position } from '../../src/bus/bus.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { undeliveredMessages } from '../../src/control-plane/topics/undelivered.ts';

const undelivered = (offsets: readonly OffsetRange[], committed: readonly [number, Position][]) =>
  undeliveredMessages(
    {
      bus: { offsets: async () => new Map(offsets.entries()), committed: async () => new Map(committed) },
      topics: topicsOf('t'),
    },
    'id',
  );
const ahead = (...ranges: readonly (readonly [number, number])[]) => ({
  ranges: ranges.map(([start, end]) => ({ start, end })),
  latest: 0,
});

test('what is settled ahead of the committed offset is not undelivered', async () => {
  const partition = { start: 0, end: 3001 };
  assert.equal(await undelivered([partition], []), 3001n);
  assert.equal(await undelivered([partition], [[0, { offset: 1000 }]]), 2001n);
  assert.equal(await undelivered([partition], [[0, { offset: 0, ahead: ahead([1, 3001]) }]]), 1n);
  assert.equal(
    await undelivered([partition, partition], [[1, { offset: 5, ahead: ahead([6, 10], [20, 30]) }]]),
    3001n + 2982n,
  );
});

test('of what is settled ahead counts only what the topic has', async () => {
  const position = { offset: 10, ahead: ahead([20, 50], [60, 90]) };
  assert.equal(
    await undelivered([{ start: 40, end: 70 }], [[0, position]]),
    10n,
    'the beginning and the end are gone',
  );
  assert.equal(await undelivered([{ start: 95, end: 100 }], [[0, position]]), 5n);
  assert.equal(await undelivered([{ start: 0, end: 5 }], [[0, position]]), 0n);
});

test('a topic that is not there has no messages to count', async () => {
  const offsets = () => Promise.reject(new BusError('unknown-topic', 'gone'));
  const bus = { offsets, committed: async () => new Map() };
  assert.equal(await undeliveredMessages({ bus, topics: topicsOf('t') }, 'id'), undefined);
});
