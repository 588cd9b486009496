import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import { Window } from '../../src/executor/delivery/window.ts';
import { ByteLimit } from '../../src/runtime/byte-limit.ts';

const POLICY = { maxInFlight: 1000, maxInFlightBytes: 1e6 };

/** Takes in messages of so many bytes while there is space, up to `most`. */
function fill(window: Window, bytes: number, most: number) {
  const envelope = create(EnvelopeSchema);
  const taken = [];
  const from = window.next(0) ?? 0;
  while (taken.length < most && window.hasSpace(0)) {
    taken.push(window.take(0, from + taken.length, null, envelope, Buffer.alloc(bytes)));
  }
  return taken;
}

test('what all windows have together is bounded, and each still gets a share', () => {
  const total = new ByteLimit(1e6);
  const [stuck, large, small] = [1, 2, 3].map(() => new Window(POLICY, total)) as [Window, Window, Window];
  assert.equal(fill(stuck, 10_000, 1000).length, 91, 'with what each keeps besides its bytes');
  assert.equal(fill(large, 100_000, 1000).length, 3);
  assert.equal(fill(small, 1, 1000).length, 64);
});

test('what is settled or let go of makes room', () => {
  const total = new ByteLimit(1e6);
  const [one, other] = [new Window(POLICY, total), new Window(POLICY, total)];
  const messages = fill(one, 10_000, 1000);
  assert.equal(total.isFull, true);
  for (const message of messages.slice(0, 50)) one.settle(message);
  assert.equal(fill(other, 1, 200).length, 200);
  assert.equal(one.clear(), messages.length - 50);
  for (const message of messages.slice(50)) one.settle(message); // their answers come late
  assert.equal(fill(other, 1, 600).length, 600);
  other.clear();
  total.add(999_999);
  assert.equal(total.isFull, false, 'nothing is counted twice, or left');
  total.add(1);
  assert.equal(total.isFull, true);
});

test('what a message takes in memory counts, not what it took on Kafka', () => {
  const total = new ByteLimit(1e9);
  const window = new Window(POLICY, total);
  const userProperties = Array.from({ length: 1000 }, () => ({ key: 'k', value: 'v' }));
  const envelope = create(EnvelopeSchema, { userProperties });
  const value = Buffer.from(toBinary(EnvelopeSchema, envelope));
  let taken = 0;
  for (; window.hasSpace(0); taken++) window.take(0, taken, null, envelope, value);
  assert.equal(taken, Math.ceil(POLICY.maxInFlightBytes / (value.byteLength + 1000 * (128 + 4))));
});
