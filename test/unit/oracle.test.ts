import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Arrival,
  COMMIT_WINDOW,
  copies,
  longestGap,
  lost,
  outOfOrder,
  ownersOf,
  recoveries,
  repeats,
  repeatsAllowed,
  storedOutOfOrder,
  unacknowledged,
  unexplained,
  unsent,
  withoutCopies,
} from '../e2e/kit/oracle.ts';

/** An arrival of client `c` for integration `i`, by executor `e1`. */
const arrival = (n: number, at: number, other: Partial<Arrival> = {}): Arrival => ({
  client: 'c',
  n,
  integration: 'i',
  node: 'e1',
  at,
  ...other,
});

const sound = [arrival(0, 0), arrival(1, 10), arrival(0, 15, { client: 'd' }), arrival(2, 20)];

test('a sound sequence: nothing lost, nothing twice, nothing out of order', () => {
  assert.deepEqual(lost(sound, sound), []);
  assert.deepEqual(repeats(sound), []);
  assert.deepEqual(outOfOrder(sound), []);
});

test('an acknowledged message that did not arrive is lost; one that nobody acknowledged is not', () => {
  const acknowledged = [arrival(0, 0), arrival(1, 0), arrival(3, 0, { client: 'd' })];
  assert.deepEqual(lost(acknowledged, [arrival(1, 5), arrival(2, 6)]), ['c/0', 'd/3']);
});

test('the same number of another client is another message', () => {
  assert.deepEqual(lost([arrival(0, 0, { client: 'd' })], sound), []);
  assert.deepEqual(lost([arrival(1, 0, { client: 'd' })], sound), ['d/1']);
  assert.deepEqual(repeats([arrival(0, 0), arrival(0, 1, { client: 'd' })]), []);
});

test('every arrival but the first is a repeat of the one before', () => {
  const [first, second, third] = [arrival(7, 1), arrival(7, 2, { node: 'e2' }), arrival(7, 3)];
  assert.deepEqual(repeats([first, arrival(8, 1), second, third]), [
    { before: first, again: second },
    { before: second, again: third },
  ]);
});

test('what Kafka has twice may come twice, and no more often', () => {
  const thrice = repeats([arrival(0, 1), arrival(0, 2), arrival(0, 3), arrival(1, 4), arrival(1, 5)]);
  const [zero, one] = [arrival(0, 0), arrival(1, 0)];
  assert.deepEqual(withoutCopies(thrice, [zero, one]), thrice);
  assert.deepEqual(
    withoutCopies(thrice, [zero, one, zero]).map(({ again }) => again.at),
    [3, 5],
  );
  assert.deepEqual(withoutCopies(thrice, [zero, zero, zero, one, one]), []);
});

test('only first arrivals have an order', () => {
  const late = arrival(3, 40);
  const numbers = [arrival(1, 10), arrival(2, 20), arrival(4, 30), late, arrival(1, 50), arrival(5, 60)];
  assert.deepEqual(outOfOrder(numbers), [late]);
  assert.deepEqual(outOfOrder([arrival(9, 0, { client: 'd' }), arrival(1, 1)]), [], 'clients are apart');
});

test('a message that comes after two that are later is out of order once', () => {
  assert.deepEqual(
    outOfOrder([arrival(5, 0), arrival(6, 1), arrival(1, 2), arrival(2, 3)]).map(({ n }) => n),
    [1, 2],
  );
});

test('a repeat is explained when its executor met a fault within the commit window after it', () => {
  const kill = { node: 'e1', at: 10_000 };
  const repeatOf = (at: number, node = 'e1', again = 16_000) =>
    repeats([arrival(0, at, { node }), arrival(0, again, { node: 'e2' })]);
  assert.equal(unexplained(repeatOf(9900), [kill]).length, 0);
  assert.equal(unexplained(repeatOf(10_050), [kill]).length, 0, 'in flight at the kill');
  assert.equal(unexplained(repeatOf(10_000 - COMMIT_WINDOW), [kill]).length, 1, 'committed long since');
  assert.equal(unexplained(repeatOf(9900, 'e3'), [kill]).length, 1, 'of an executor that was not killed');
  assert.equal(unexplained(repeatOf(9900, 'e1', 9950), [kill]).length, 1, 'twice before the kill');
  assert.equal(unexplained(repeatOf(9900), []).length, 1);
  assert.equal(unexplained(repeatOf(9900, 'e3'), [{ at: 10_000 }]).length, 0, 'a fault that all met');
  assert.equal(unexplained(repeatOf(13_000), [{ at: 10_000, until: 12_000 }]).length, 1, 'after the fault');
});

test('a fault allows a window and what was not committed, for each integration that the executor had', () => {
  const kill = { node: 'e1', at: 10_000 };
  const arrivals = [
    arrival(0, 1000),
    arrival(1, 9000),
    arrival(2, 9900),
    arrival(0, 9900, { integration: 'j', client: 'd' }),
    arrival(0, 9900, { integration: 'k', client: 'e', node: 'e2' }),
  ];
  assert.equal(repeatsAllowed(arrivals, [kill], 64), 2 * 64 + 3);
  assert.equal(repeatsAllowed(arrivals, [], 64), 0);
  assert.equal(repeatsAllowed([arrival(0, 1000)], [kill], 64), 0);
});

test('recovery is the time until another executor delivers, for ever when none does', () => {
  const arrivals = [
    arrival(0, 90),
    arrival(1, 110),
    arrival(2, 300, { node: 'e2' }),
    arrival(3, 400, { node: 'e3' }),
  ];
  const found = recoveries(arrivals, ['i', 'j'], 100, 'e1');
  assert.deepEqual(
    [...found],
    [
      ['i', 200],
      ['j', Number.POSITIVE_INFINITY],
    ],
  );
  assert.equal(recoveries(arrivals, ['i'], 100).get('i'), 10);
});

test('the longest gap counts the borders, and only its own integration', () => {
  const arrivals = [arrival(0, 100), arrival(1, 150), arrival(0, 200, { integration: 'j' }), arrival(2, 230)];
  assert.equal(longestGap(arrivals, 'i', 100, 240), 80);
  assert.equal(longestGap(arrivals, 'i', 100, 400), 170, 'nothing came until the end');
  assert.equal(longestGap(arrivals, 'i', 0, 240), 100, 'nothing came at the beginning');
  assert.equal(longestGap(arrivals, 'none', 0, 240), 240);
});

test('owners follow one another, and only in the time asked for', () => {
  const arrivals = ['e1', 'e1', 'e2', 'e1'].map((node, i) => arrival(i, i * 100, { node }));
  assert.deepEqual(ownersOf(arrivals, 'i', 0, 1000), ['e1', 'e2', 'e1']);
  assert.deepEqual(ownersOf(arrivals, 'i', 0, 150), ['e1']);
  assert.deepEqual(ownersOf(arrivals, 'j', 0, 1000), []);
});

test('what Kafka has once more is a copy, each time', () => {
  const stored = [0, 1, 0, 2, 0].map((n) => arrival(n, 0));
  assert.deepEqual(copies(stored), ['c/0', 'c/0']);
  assert.deepEqual(copies([arrival(0, 0), arrival(0, 0, { client: 'd' })]), []);
});

test('a copy is of a message that was sent again, as often as it was', () => {
  const again = [arrival(0, 5), arrival(1, 5)];
  assert.deepEqual(unsent(['c/0', 'c/1'], again), []);
  assert.deepEqual(unsent(['c/0', 'c/0', 'c/2'], again), ['c/0', 'c/2']);
  assert.deepEqual(unsent([], again), [], 'one that was sent again may be there once');
});

test('Kafka keeps the order of a client within a partition', () => {
  const stored = (n: number, partition = 0) => ({ client: 'c', n, partition });
  assert.deepEqual(storedOutOfOrder([stored(0), stored(1), stored(0), stored(2)]), [], 'a copy has none');
  assert.deepEqual(storedOutOfOrder([stored(0), stored(2), stored(1)]), ['c in 0/1']);
  assert.deepEqual(storedOutOfOrder([stored(5, 1), stored(0), stored(6, 1), stored(1)]), []);
});

test('so many may be copied as a fault found on their way, or kept on it', () => {
  const sent = [10, 20, 30, 40].map((at, n) => arrival(n, at));
  const acknowledged = [arrival(0, 15), arrival(1, 28), arrival(2, 33)];
  assert.equal(unacknowledged(sent, acknowledged, []), 0);
  assert.equal(unacknowledged(sent, acknowledged, [{ at: 25, until: 35 }]), 2);
  assert.equal(
    unacknowledged(sent, acknowledged, [{ at: 25 }]),
    3,
    'until the end, one that never was acknowledged',
  );
  assert.equal(unacknowledged(sent, acknowledged, [{ at: 16, until: 19 }]), 0, 'nothing was on its way');
  const twice = [
    { at: 25, until: 26 },
    { at: 27, until: 29 },
  ];
  assert.equal(unacknowledged(sent, acknowledged, twice), 2, 'each fault has its own');
});
