import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { EnvelopeSchema, FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { Delivery } from '../../src/executor/delivery/delivery.ts';
import { Window } from '../../src/executor/delivery/window.ts';
import {
  DELIVERED,
  type Failure,
  heldBy,
  type Outbound,
  type Outcome,
  type PackLimits,
} from '../../src/executor/handlers/handler.ts';
import { ByteLimit } from '../../src/runtime/byte-limit.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { POLICY, QUIET } from '../helpers/quiet-delivery.ts';

const ENVELOPE = create(EnvelopeSchema, { topicName: 't' });
const AWAY: Failure = { delivered: false, failureClass: FailureClass.UNAVAILABLE, reason: 'away' };
const REFUSED: Failure = { delivered: false, failureClass: FailureClass.REJECTED, reason: 'refused' };

type Answer = (offset: number) => Outcome;

/** A delivery with four packs at a time, each of which ends when it is let go; what is given up may be kept when told to. */
function delivery(limits: Partial<PackLimits>, retries = 0, parallel = 4, keepsLate = false) {
  const packs: { readonly offsets: number[]; end(answer?: Answer): Promise<void> }[] = [];
  const givenUp: number[] = [];
  const kept = Promise.withResolvers<void>();
  const tries: number[] = [];
  const clock = new FakeClock();
  const policy = { ...POLICY, retries, packProcessingTimeout: 10_000, maxInFlight: 8 };
  const engine = new Delivery({
    window: new Window(policy, new ByteLimit(1e9)),
    handler: {
      parallel,
      connect: async () => {},
      deliver(messages: readonly Outbound[]) {
        const { promise, resolve } = Promise.withResolvers<readonly Outcome[]>();
        const offsets = messages.map(({ offset }) => offset);
        const end = (answer: Answer = () => DELIVERED) => {
          resolve(offsets.map(answer));
          return clock.advance(0);
        };
        packs.push({ offsets, end });
        return promise;
      },
      [Symbol.asyncDispose]: async () => {},
    },
    pack: { maxMessages: 5, maxBytes: 1e9, ...limits },
    policy,
    events: {
      ...QUIET,
      failed: ({ offset }, _, isGivenUp) => (isGivenUp ? givenUp : tries).push(offset),
    },
    deadLetter: () => kept.promise,
    holdsLease: () => true,
    clock,
    random: () => 0,
  });
  const take = (...keys: (string | null)[]) => {
    for (const key of keys) engine.take(0, next++, key, ENVELOPE, new Uint8Array(10));
  };
  let next = 0;
  const offsets = () => packs.map((pack) => pack.offsets);
  const keep = () => {
    kept.resolve();
    return clock.advance(0);
  };
  if (!keepsLate) kept.resolve();
  const hasSpace = () => engine.hasSpace(0);
  const changed = () => engine.changed();
  return { take, clock, packs, offsets, givenUp, tries, keep, hasSpace, changed, window: engine.window };
}

test('a pack takes one of each key, and then the next ones of them in turn; a key is in one pack at a time', async () => {
  const { take, packs, offsets } = delivery({ runs: 'within' }, 0, 2);
  take('x'); // leaves alone: nothing else is there yet
  take('x', 'x', 'y'); // y is not held up
  take('a', 'a', 'b', 'a', 'y');
  await packs[1]!.end();
  assert.deepEqual(offsets(), [[0], [3], [4, 6, 8, 5, 7]]);
  await packs[0]!.end();
  assert.deepEqual(offsets().at(-1), [1, 2]);
});

test('a pack that one key fills is full: it waits for nothing more', async () => {
  const { take, clock, offsets } = delivery({ runs: 'within', maxWait: 1000 });
  take('x', 'x', 'x', 'x');
  await clock.advance(500);
  assert.deepEqual(offsets(), []);
  take('x');
  await clock.advance(0);
  assert.deepEqual(offsets(), [[0, 1, 2, 3, 4]]);
});

for (const runs of ['within', 'across'] as const)
  test(`no more is taken in than leaves soon, with runs ${runs} packs`, async () => {
    const { take, packs, hasSpace, changed, window } = delivery({ runs });
    take('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
    for (const { offsets } of packs) assert.equal(offsets.length, 1);
    take('a', 'b', 'c', 'd', 'e', 'f', 'g');
    assert.ok(hasSpace());
    take('h');
    assert.deepEqual([window.size, hasSpace()], [16, false], 'twice as many as may be on their way');
    let isTold = false;
    void changed().then(() => {
      isTold = true;
    });
    await packs[0]!.end();
    assert.deepEqual([window.size, isTold, hasSpace()], [15, true, true]);
  });

test('a key whose first one is not answered keeps no other out', () => {
  const { take, offsets, hasSpace } = delivery({ runs: 'within' });
  for (let n = 0; n < 40; n++) take('x');
  assert.ok(hasSpace());
  take('y');
  assert.deepEqual(offsets(), [[0], [40]]);
});

test('a key whose first one failed makes room for others at once', async () => {
  const { take, packs, offsets, hasSpace, changed } = delivery({ runs: 'across' });
  for (let n = 0; n < 40; n++) take('x');
  assert.ok(!hasSpace(), 'they leave soon');
  let isTold = false;
  void changed().then(() => {
    isTold = true;
  });
  for (const { end } of packs.slice(0, 4)) await end((offset) => (offset === 0 ? AWAY : heldBy(AWAY)));
  assert.deepEqual([hasSpace(), isTold], [true, true]);
  take('y');
  assert.deepEqual(offsets().at(-1), [40]);
});

test('what is behind a failed message of its key leaves again behind it, and only that one has had a try', async () => {
  const { take, packs, clock, offsets, tries, givenUp } = delivery({ runs: 'within' }, 1, 1);
  take('x', 'a', 'a', 'b', 'a');
  await packs[0]!.end();
  assert.deepEqual(offsets().at(-1), [1, 3, 2, 4]);
  await packs[1]!.end((offset) => (offset === 3 ? DELIVERED : AWAY));
  assert.deepEqual(tries, [1]);
  take('a', 'c');
  assert.deepEqual(offsets().at(-1), [6], 'the key waits, no other');
  await packs[2]!.end();
  await clock.advance(100);
  assert.deepEqual(offsets().at(-1), [1, 2, 4, 5]);
  await packs[3]!.end(() => AWAY);
  assert.deepEqual([tries, givenUp], [[1, 2], [1]], 'the next one has a try of its own');
  await clock.advance(100);
  assert.deepEqual(offsets().at(-1), [2, 4, 5]);
});

test('a message that is refused for what it is holds nobody back; one that is held leaves again at once', async () => {
  const { take, packs, offsets, tries, givenUp, window } = delivery({ runs: 'within' }, 0, 1);
  take('x', 'a', 'a', 'a', 'a');
  await packs[0]!.end();
  await packs[1]!.end((offset) => [REFUSED, DELIVERED, heldBy(AWAY), heldBy(AWAY)][offset - 1]!);
  assert.deepEqual([offsets().at(-1), givenUp, tries], [[3, 4], [1], []]);
  await packs[2]!.end();
  assert.equal(window.size, 0);
});

test('the messages of a key in a pack that was refused as a whole are found out in their order', async () => {
  const { take, packs, offsets, givenUp, window } = delivery({ runs: 'within' }, 0, 4);
  take('x', 'x', 'x', 'x', 'x');
  await packs[0]!.end();
  while (window.size > 0) {
    const last = packs.at(-1)!;
    const isWithIt = last.offsets.includes(3);
    await last.end(() => (isWithIt ? { ...REFUSED, ofPack: last.offsets.length > 1 } : DELIVERED));
  }
  assert.deepEqual(offsets(), [[0], [1, 2, 3, 4], [1, 2], [3, 4], [3], [4]]);
  assert.deepEqual(givenUp, [3]);
});

test('across packs a key has many on their way, takes turns with the others, and waits when one is to be tried again', async () => {
  const { take, packs, clock, offsets, tries } = delivery({ runs: 'across', maxMessages: 1 });
  take('a', 'a', 'a', 'b', 'a', 'a');
  assert.deepEqual(offsets(), [[0], [1], [2], [3]]);
  await packs[1]!.end(() => AWAY);
  assert.deepEqual(offsets().length, 4, 'nothing behind it leaves');
  take('b');
  assert.deepEqual(offsets().at(-1), [6], 'another key goes on');
  await packs[3]!.end();
  await packs[4]!.end();
  await packs[2]!.end(() => AWAY);
  await clock.advance(1000);
  assert.deepEqual([offsets().length, tries], [5, [1]], 'not before all that left with it has ended');
  await packs[0]!.end();
  assert.deepEqual(offsets().slice(5), [[1], [2], [4], [5]]);
});

test('across packs nothing leaves behind a message that is given up before it is kept; what is out ends as it does', async () => {
  const { take, packs, clock, offsets, tries, givenUp, keep, window } = delivery(
    { runs: 'across', maxMessages: 1 },
    1,
    4,
    true,
  );
  take('a', 'a', 'a', 'a', 'a', 'b', 'a');
  assert.deepEqual(offsets(), [[0], [1], [2], [3]]);
  await packs[0]!.end(() => REFUSED);
  assert.deepEqual(offsets().slice(4), [[5]], 'only another key goes on');
  await packs[1]!.end();
  await packs[2]!.end(() => AWAY);
  assert.deepEqual([tries, givenUp], [[2], [0]], 'a failure of its own counts');
  await packs[3]!.end();
  await packs[4]!.end();
  await clock.advance(1000);
  assert.equal(offsets().length, 5);
  await keep();
  assert.deepEqual(offsets().slice(5), [[2], [4], [6]]);
  for (const pack of packs.slice(5)) await pack.end();
  assert.equal(window.size, 0);
});
