import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { EnvelopeSchema, FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { Delivery } from '../../src/executor/delivery/delivery.ts';
import { Window } from '../../src/executor/delivery/window.ts';
import { DELIVERED, type Failure, type Outbound, type Outcome } from '../../src/executor/handlers/handler.ts';
import { ByteLimit } from '../../src/runtime/byte-limit.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { POLICY, QUIET } from '../helpers/quiet-delivery.ts';

const ENVELOPE = create(EnvelopeSchema, { topicName: 'a/b' });
const ALONE: Failure = { delivered: false, failureClass: FailureClass.DISCONNECTED, reason: 'closed' };
const TOGETHER: Failure = { ...ALONE, cut: { isShared: true, isForOne: 'no' } };

/** A delivery of packs, each over a connection of its own, which is lost when `loses` says so. */
function inPacks(
  loses: (pack: readonly number[], nth: number) => boolean,
  policy: { readonly strategy?: 'SKIP_ALL'; readonly retries?: number; readonly parallel?: number } = {},
) {
  const packs: (readonly number[])[] = [];
  const delivered: number[] = [];
  const letters: [number, number][] = [];
  const clock = new FakeClock();
  const full = { ...POLICY, ...policy };
  const engine = new Delivery({
    window: new Window(full, new ByteLimit(1e9)),
    handler: {
      parallel: policy.parallel ?? 1,
      connect: async () => {},
      async deliver(pack: readonly Outbound[]): Promise<readonly Outcome[]> {
        const offsets = pack.map(({ offset }) => offset);
        packs.push(offsets);
        await clock.sleep(10);
        if (!loses(offsets, packs.length)) return pack.map(() => DELIVERED);
        return pack.map(() => (pack.length > 1 ? TOGETHER : ALONE));
      },
      [Symbol.asyncDispose]: async () => {},
    },
    pack: { maxMessages: 8, maxBytes: 1e9, runs: 'within' },
    policy: full,
    events: { ...QUIET, delivered: ({ offset }) => delivered.push(offset) },
    deadLetter: async ({ offset, attempts }) => {
      letters.push([offset, attempts]);
    },
    holdsLease: () => true,
    clock,
    random: () => 1,
  });
  let next = 0;
  return {
    packs,
    delivered,
    letters,
    clock,
    engine,
    take(...keys: (string | null)[]) {
      for (const key of keys) engine.take(0, next++, key, ENVELOPE, new Uint8Array(10));
    },
  };
}

const keys = (count: number, key = (i: number): string | null => `k${i}`) =>
  Array.from({ length: count }, (_, i) => key(i));

test('what shared a lost connection leaves again in packs as large as the group may be', async () => {
  const { take, packs, letters, clock, engine } = inPacks((_, nth) => nth === 2, { strategy: 'SKIP_ALL' });
  take('first', ...keys(8));
  await clock.advance(1000);
  assert.deepEqual(packs, [[0], [1, 2, 3, 4, 5, 6, 7, 8], [1], [2, 3], [4, 5, 6, 7], [8]]);
  assert.deepEqual([letters, engine.window.size], [[], 0]);
});

test('what lost no connection leaves without what did, and fills the packs that begin with it', async () => {
  const { take, packs, letters, clock, engine } = inPacks((_, nth) => nth === 2, { strategy: 'SKIP_ALL' });
  take('first', ...keys(5));
  await clock.advance(115); // five milliseconds before those of the lost connection may leave
  take('x', 'y', 'z');
  await clock.advance(15);
  take('a', 'b', 'c');
  await clock.advance(1000);
  assert.deepEqual(packs, [[0], [1, 2, 3, 4, 5], [6], [7, 8], [1], [2, 3], [4, 5, 9, 10], [11]]);
  assert.deepEqual([letters, engine.window.size], [[], 0]);
});

for (const [name, key] of [
  ['each of a client of its own', undefined],
  ['all of one client', () => 'one'],
  ['of none', () => null],
] as const)
  for (const policy of [
    { strategy: 'SKIP_ALL' },
    { retries: 2 },
    { strategy: 'SKIP_ALL', parallel: 4 },
    { retries: 2, parallel: 4 },
  ] as const)
    test(`one that costs each connection is found among those of its packs, ${name} (${JSON.stringify(policy)})`, async () => {
      const { take, delivered, letters, clock, engine } = inPacks((pack) => pack.includes(42), policy);
      take(...keys(80, key));
      await clock.advance(30_000);
      assert.deepEqual(letters, [[42, 'retries' in policy ? 3 : 1]], 'after its own tries alone');
      assert.deepEqual([delivered.length, engine.window.size], [79, 0]);
    });

test('one that costs each connection holds up no other while it is tried without end', async () => {
  const { take, delivered, letters, clock, engine } = inPacks((pack) => pack.includes(42));
  take(...keys(80));
  await clock.advance(10_000);
  assert.deepEqual([delivered.length, letters, engine.window.size], [79, [], 1]);
  take(...keys(80));
  await clock.advance(10_000);
  assert.deepEqual([delivered.length, letters, engine.window.size], [158, [], 2]);
});
