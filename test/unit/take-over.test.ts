import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Claim, CommittedOffset, Membership } from '../../src/bus/bus.ts';
import { takeOver } from '../../src/executor/delivery/take-over.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { testDeps } from '../helpers/test-deps.ts';

const SHARE = { topic: 't', shard: 0, shards: 2, tag: 'http/2' };

/** A group's offsets. */
function world(offsets: Record<number, [offset: number, tag: string]>) {
  const clock = new FakeClock();
  const committed = new Map(Object.entries(offsets).map(([partition, one]) => [Number(partition), one]));
  const membership: Membership = {
    holdsLease: () => true,
    joined: Promise.resolve(),
    committed: async (partitions) =>
      partitions.flatMap(({ topic, partition }): CommittedOffset[] => {
        const found = committed.get(partition);
        return found ? [{ topic, partition, offset: found[0], tag: found[1] }] : [];
      }),
    async [Symbol.asyncDispose]() {},
  };
  const claim: Claim = {
    topic: 'downlink',
    partition: 0,
    isHeld: () => true,
    async commit(all) {
      for (const { partition, offset, tag } of all) committed.set(partition, [offset, tag]);
    },
  };
  const stop = new AbortController();
  const taken = takeOver(SHARE, [0, 2], { ...testDeps(), clock, membership, claim }, stop.signal);
  const offsetsOf = async () => (await taken).map(({ partition, offset }) => [partition, offset]);
  return { clock, committed, stop, taken, offsetsOf };
}

test('what nobody works on is taken over at once, from where it was left, or from its beginning', async () => {
  const { committed, offsetsOf } = world({ 0: [7, ''] });
  assert.deepEqual(await offsetsOf(), [
    [0, 7],
    [2, 0],
  ]);
  assert.deepEqual(
    [...committed.values()],
    [
      [7, 'http/2'],
      [0, 'http/2'],
    ],
  );
});

test('a partition that another one works on is waited for, and not for ever', async () => {
  const left = world({ 0: [7, 'http/1'], 2: [3, ''] });
  await left.clock.advance(1000);
  assert.deepEqual(left.committed.get(2), [3, ''], 'nothing is claimed before');
  left.committed.set(0, [9, '']);
  await left.clock.advance(1000);
  assert.deepEqual(await left.offsetsOf(), [
    [0, 9],
    [2, 3],
  ]);
  const died = world({ 0: [7, 'http/1'] });
  await died.clock.advance(16_000);
  assert.deepEqual(await died.offsetsOf(), [
    [0, 7],
    [2, 0],
  ]);
});

test('a start that is given up claims nothing more', async () => {
  const { clock, stop, taken, committed } = world({ 0: [7, 'http/1'] });
  await clock.advance(300);
  stop.abort(new Error('given up'));
  await assert.rejects(taken, /given up/);
  assert.deepEqual(committed.get(0), [7, 'http/1']);
});
