import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { type Envelope, EnvelopeSchema, FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { Delivery } from '../../src/executor/delivery/delivery.ts';
import { MAX_AHEAD, Window } from '../../src/executor/delivery/window.ts';
import { DELIVERED, type Outcome, type PackLimits } from '../../src/executor/handlers/handler.ts';
import { ByteLimit } from '../../src/runtime/byte-limit.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

const ENVELOPE = create(EnvelopeSchema, { topicName: 't' });

/** A delivery whose handler delivers at once, but for the first message, which waits until it is let go. */
function slowFirst(
  maxInFlight: number,
  maxInFlightBytes: number,
  pack: PackLimits = { maxMessages: 1000, maxBytes: 1e9 },
) {
  /** The offsets of each pack. */
  const packs: number[][] = [];
  /** The reason of each failure, and whether the message was given up. */
  const failures: [string, boolean][] = [];
  /** The offset and the failure class of each dead letter. */
  const letters: [number, FailureClass][] = [];
  const first = Promise.withResolvers<readonly Outcome[]>();
  const clock = new FakeClock();
  const ignore = () => {};
  const policy = {
    strategy: 'RETRY_ALL',
    retries: 0,
    pauseBetweenRetries: 1,
    maxPause: 1,
    packProcessingTimeout: 1000,
    maxInFlight,
    maxInFlightBytes,
    deadLetter: true,
    maxHops: 8,
  } as const;
  const delivery = new Delivery({
    window: new Window(policy, new ByteLimit(1e9)),
    handler: {
      parallel: 2,
      connect: async () => {},
      deliver: (messages) => {
        packs.push(messages.map(({ offset }) => offset));
        return messages[0]?.offset === 0 ? first.promise : Promise.resolve(messages.map(() => DELIVERED));
      },
      [Symbol.asyncDispose]: async () => {},
    },
    pack,
    policy,
    events: {
      received: ignore,
      delivered: ignore,
      failed: (_, { reason }, givenUp) => failures.push([reason, givenUp]),
      skipped: ignore,
      deadLettered: ignore,
      released: ignore,
    },
    deadLetter: async ({ offset }, { failureClass }) => {
      letters.push([offset, failureClass]);
    },
    holdsLease: () => true,
    clock,
    random: () => 0,
  });
  const take = (offset: number, bytes = 10, key: string | null = null, envelope: Envelope = ENVELOPE) =>
    delivery.take(0, offset, key, envelope, new Uint8Array(bytes));
  return { delivery, take, clock, packs, failures, letters, letGo: () => first.resolve([DELIVERED]) };
}

test('one message that is not settled lets the others of its partition run ahead so far and no further', async () => {
  const { delivery, take, clock, letGo } = slowFirst(10_000, 1e9);
  for (let offset = 0; offset < MAX_AHEAD; offset++) {
    if (delivery.window.size > 5000) await clock.advance(0);
    assert.ok(delivery.hasSpace(0));
    take(offset);
  }
  await clock.advance(0);
  assert.deepEqual([delivery.window.size, delivery.hasSpace(0), delivery.hasSpace(1)], [1, false, true]);
  letGo();
  await clock.advance(0);
  assert.deepEqual([delivery.window.size, delivery.hasSpace(0)], [0, true]);
  assert.deepEqual(delivery.window.committable(), [{ partition: 0, offset: MAX_AHEAD }]);
});

test('the window is full by bytes too, but never for the only message', async () => {
  const { delivery, take, clock, letGo } = slowFirst(100, 1000);
  assert.ok(delivery.hasSpace(0));
  take(0, 600, 'a');
  assert.ok(delivery.hasSpace(0));
  take(1, 5000, 'a');
  assert.equal(delivery.hasSpace(0), false);
  letGo();
  await clock.advance(0);
  assert.deepEqual([delivery.window.size, delivery.hasSpace(0)], [0, true]);
});

test('a blocked lane holds back itself alone, also with many messages behind its head', async () => {
  const { delivery, take, clock } = slowFirst(4, 1e9);
  for (let offset = 0; offset < 30; offset++) take(offset, 10, 'blocked');
  assert.ok(delivery.hasSpace(0), 'what waits in a lane does not fill the window');
  for (let offset = 30; offset < 40; offset++) take(offset, 10, `other-${offset}`);
  await clock.advance(0);
  assert.equal(delivery.window.size, 30, 'all the others are delivered');
  for (let offset = 40; offset < 74; offset++) take(offset, 10, 'blocked');
  assert.ok(!delivery.hasSpace(0), 'but what waits is bounded, too');
});

test('a pack is full by bytes too, but takes its first message whatever its size', async () => {
  const limits = { maxMessages: 3, maxBytes: 100 };
  const { delivery, take, clock, packs, letGo } = slowFirst(100, 1e9, limits);
  take(0, 1);
  take(1, 1, 'busy'); // leaves alone, like the first: nothing else is there yet
  for (const [i, bytes] of [40, 60, 1, 500, 99, 1, 1, 1, 1].entries()) take(2 + i, bytes);
  letGo();
  await clock.advance(0);
  assert.equal(delivery.window.size, 0);
  assert.deepEqual(packs, [[0], [1], [2, 3], [4], [5], [6, 7], [8, 9, 10]]);
});

test('a message that has passed through too many integrations is a dead letter, and never handed over', async () => {
  const { delivery, take, clock, packs, failures, letters } = slowFirst(100, 1e9);
  for (const [i, hopCount] of [7, 8, 9, 0xffff_ffff, 0].entries()) {
    take(1 + i, 10, null, create(EnvelopeSchema, { topicName: 't', hopCount }));
  }
  await clock.advance(0);
  assert.deepEqual(packs.flat(), [1, 5]);
  assert.deepEqual(
    letters,
    [2, 3, 4].map((offset) => [offset, FailureClass.REJECTED]),
  );
  for (const [reason, givenUp] of failures) {
    assert.match(reason, /goes round in a loop.*PENSTOCK_MAX_HOPS/);
    assert.ok(givenUp);
  }
  assert.equal(failures.length, 3);
  assert.deepEqual(delivery.window.committable(), [{ partition: 0, offset: 6 }]);
});

test('a pack that is not full waits for more, so long and no longer; a full one leaves at once', async () => {
  const { take, clock, packs } = slowFirst(100, 1e9, { maxMessages: 3, maxBytes: 1e6, maxWait: 100 });
  take(1);
  await clock.advance(99);
  take(2);
  assert.deepEqual(packs, []);
  await clock.advance(1);
  assert.deepEqual(packs, [[1, 2]]);
  for (const offset of [3, 4, 5, 6]) take(offset);
  assert.deepEqual(packs, [
    [1, 2],
    [3, 4, 5],
  ]);
  await clock.advance(99);
  assert.equal(packs.length, 2);
  await clock.advance(1);
  assert.deepEqual(packs.at(-1), [6]);
});

test('a stop waits for no pack to fill: what has not left is for whoever runs next', async () => {
  const { delivery, take, clock, packs } = slowFirst(100, 1e9, {
    maxMessages: 3,
    maxBytes: 1e6,
    maxWait: 9000,
  });
  take(1);
  const stopped = delivery.stop(5000);
  await clock.advance(0);
  await stopped;
  assert.deepEqual([packs, delivery.window.size], [[], 0]);
});

test('a stop delivers what is on its way and what comes before that, and leaves the rest', async () => {
  const one = { maxMessages: 1, maxBytes: 1e9 };
  const { delivery, take, clock, packs, letGo } = slowFirst(100, 1e9, one);
  for (const [offset, key] of ['a', 'b', 'a', 'b', 'a'].entries()) take(offset, 10, key);
  await clock.advance(0);
  assert.deepEqual(packs.flat(), [0, 1, 3], 'the first holds its lane back');
  const stopped = delivery.stop(5000);
  letGo();
  await clock.advance(0);
  await stopped;
  assert.deepEqual(packs.flat(), [0, 1, 3, 2]);
  assert.deepEqual(delivery.window.committable(), [{ partition: 0, offset: 4 }]);
});
