import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as immediate } from 'node:timers/promises';
import { merged, type Open } from '../../src/control-plane/watches/merged.ts';
import { packed } from '../../src/control-plane/watches/packed.ts';

/** A stream of numbers from `first` on that waits until `isLeft` before each, and notes what it does. */
function counting(
  first: number,
  { log = [] as string[], until = Infinity, error = undefined as unknown } = {},
) {
  const open: Open<number> = async function* (signal) {
    try {
      for (let n = first; n < until; n++) {
        log.push(`makes ${n}`);
        yield n;
      }
      if (error !== undefined) throw error;
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    } finally {
      log.push('closes');
    }
  };
  return { open, log };
}

const never = new AbortController().signal;

test('of several streams what each has comes together, one thing of each, and in its order', async () => {
  const got: number[] = [];
  for await (const some of merged([counting(0).open, counting(100).open], never)) {
    assert.ok(some.length <= 2 && new Set(some.map((n) => n >= 100)).size === some.length);
    got.push(...some);
    if (got.length >= 20) break;
  }
  const [small, large] = [got.filter((n) => n < 100), got.filter((n) => n >= 100)];
  assert.deepEqual(
    small,
    Array.from(small, (_, n) => n),
  );
  assert.deepEqual(
    large,
    Array.from(large, (_, n) => 100 + n),
  );
  assert.ok(small.length > 5 && large.length > 5);
});

test('a stream makes nothing more until what it made is taken', async () => {
  const { open, log } = counting(0);
  const reader = merged([open], never);
  assert.deepEqual(await reader.next(), { done: false, value: [0] });
  await immediate();
  assert.deepEqual(log, ['makes 0']);
  assert.deepEqual(await reader.next(), { done: false, value: [1] });
  assert.deepEqual(log, ['makes 0', 'makes 1']);
});

test('when one fails the others are closed, also while they have more', async () => {
  const [waiting, busy] = [counting(0, { until: 1 }), counting(100)];
  const failing = counting(50, { until: 52, error: new Error('it is away') });
  const read = async () => {
    for await (const _ of merged([waiting.open, failing.open, busy.open], never));
  };
  await assert.rejects(read, /it is away/);
  await immediate();
  assert.deepEqual(
    [waiting, failing, busy].map(({ log }) => log.at(-1)),
    ['closes', 'closes', 'closes'],
  );
});

test('when it is left, or its caller goes, all are closed', async () => {
  const [one, other] = [counting(0, { until: 1 }), counting(0)];
  for await (const _ of merged([one.open, other.open], never)) break;
  await immediate();
  assert.deepEqual([one.log.at(-1), other.log.at(-1)], ['closes', 'closes']);

  const leaving = new AbortController();
  const quiet = counting(0, { until: 0 });
  const next = merged([quiet.open], leaving.signal).next();
  leaving.abort(new Error('it went'));
  await assert.rejects(next, /it went/);
  await immediate();
  assert.deepEqual(quiet.log, ['closes']);
});

test('a message has so many items at most, and about 1 MiB of them', () => {
  const lengths = (items: readonly number[], most: number) =>
    [...packed(items, most, (bytes) => bytes)].map((list) => list.length);
  const [small, half, large] = [100, 500_000, 3_000_000];
  assert.deepEqual(lengths([], 3), []);
  assert.deepEqual(lengths(Array(7).fill(small), 3), [3, 3, 1]);
  assert.deepEqual(lengths(Array(5).fill(half), 3), [2, 2, 1]);
  assert.deepEqual(lengths([small, large, small, small], 3), [1, 1, 2]);
});
