import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import { metadataOf, parseMetadata } from '../../src/bus/offset-metadata.ts';
import { type InFlight, MAX_AHEAD, MAX_RANGES, WAITING, Window } from '../../src/executor/delivery/window.ts';
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

/** A window of which the first message is never settled. */
class Stuck {
  readonly window: Window;
  readonly #unsettled: InFlight[] = [];
  readonly #most: number;
  constructor(maxInFlight: number) {
    this.window = new Window({ maxInFlight, maxInFlightBytes: 1e12 }, new ByteLimit(1e12));
    this.#most = maxInFlight * WAITING;
  }
  fill(): void {
    this.#unsettled.push(...fill(this.window, 1, 2 * this.#most));
  }
  /** One of each so many of those that are not settled, from the end or the beginning. */
  settle(every: number, fromEnd: boolean): void {
    const [, ...others] = fromEnd ? this.#unsettled.toReversed() : this.#unsettled;
    for (const message of others.filter((one, i) => i % every === 0 && one.offset > 0)) {
      this.window.settle(message);
      this.#unsettled.splice(this.#unsettled.indexOf(message), 1);
    }
  }
  get ranges(): number {
    return this.window.position(0)!.ahead?.ranges.length ?? 0;
  }
  /** How many that are settled an offset's metadata does not tell. */
  get untold(): number {
    const position = this.window.position(0)!;
    const metadata = metadataOf({ topic: 't', partition: 0, tag: `http/1@${'m'.repeat(200)}`, ...position });
    const told = parseMetadata(metadata, position.offset).ahead?.ranges ?? [];
    const count = told.reduce((sum, { start, end }) => sum + end - start, 0);
    return this.window.ahead(0) - count;
  }
}

test('whatever is settled in whatever order, no more is untold by an offset than is taken in at a time', () => {
  const step = fc.record({
    every: fc.integer({ min: 1, max: 7 }),
    fromEnd: fc.boolean(),
    fills: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.constantFrom(64, 100, 200),
      fc.array(step, { maxLength: 12, size: 'max' }),
      (maxInFlight, steps) => {
        const stuck = new Stuck(maxInFlight);
        stuck.fill();
        for (const { every, fromEnd, fills } of steps) {
          stuck.settle(every, fromEnd);
          const { untold } = stuck;
          assert.ok(untold <= maxInFlight * WAITING, `${untold} of them`);
          assert.ok(untold === 0 || maxInFlight > 64, 'by default all is told');
          if (fills) stuck.fill();
        }
      },
    ),
    { numRuns: 30 },
  );
});

test('when what is settled ahead lies in too many ranges, no more run ahead than are taken in at a time, until it does not', () => {
  const stuck = new Stuck(200);
  stuck.fill();
  stuck.settle(2, false);
  assert.equal(stuck.ranges, 1600);
  assert.ok(stuck.ranges > MAX_RANGES && !stuck.window.hasSpace(0), 'its span is what is taken in at a time');
  stuck.settle(2, false);
  assert.ok(stuck.ranges <= MAX_RANGES && stuck.window.hasSpace(0));
  for (let round = 0; round < 1000 && stuck.window.hasSpace(0); round++) {
    stuck.fill();
    stuck.settle(1, false);
  }
  assert.equal(stuck.window.next(0), MAX_AHEAD);
  assert.equal(stuck.untold, 0);
});
