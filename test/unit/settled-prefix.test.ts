import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { OffsetRange } from '../../src/bus/bus.ts';
import { metadataOf, parseMetadata } from '../../src/bus/offset-metadata.ts';
import { SettledPrefix } from '../../src/executor/delivery/settled-prefix.ts';

/** The same, the slow and obvious way. */
class Model {
  readonly unsettled = new Set<number>();
  readonly first: number;
  next: number;
  constructor(next: number) {
    this.first = next;
    this.next = next;
  }
  take(offset: number): void {
    this.unsettled.add(offset);
    this.next = offset + 1;
  }
  get committable(): number {
    return Math.min(this.next, ...this.unsettled);
  }
  get ahead(): number {
    return this.next - this.committable - this.unsettled.size;
  }
  get ranges(): readonly OffsetRange[] {
    const ranges: OffsetRange[] = [];
    let start = this.committable;
    for (const offset of [...this.unsettled, this.next].toSorted((a, b) => a - b)) {
      if (start < offset) ranges.push({ start, end: offset });
      start = offset + 1;
    }
    return ranges;
  }
}

const steps = fc.array(
  fc.oneof(
    fc.record({ take: fc.oneof({ arbitrary: fc.constant(0), weight: 9 }, fc.integer({ min: 1, max: 9 })) }),
    fc.record({ settle: fc.nat() }),
  ),
  { maxLength: 200, size: 'max' },
);

test('what may be committed, and what is settled ahead, is what a plain model says, whatever is taken in, left out and settled', () => {
  fc.assert(
    fc.property(fc.nat(1e12), steps, (first, script) => {
      const prefix = new SettledPrefix({ offset: first });
      const model = new Model(first);
      for (const step of script) {
        if ('take' in step) {
          const offset = model.next + step.take;
          prefix.take(offset);
          model.take(offset);
        } else if (model.unsettled.size > 0) {
          const offset = [...model.unsettled][step.settle % model.unsettled.size]!;
          prefix.settle(offset);
          model.unsettled.delete(offset);
        }
        assert.deepEqual([prefix.next, prefix.committable], [model.next, model.committable]);
        assert.deepEqual([prefix.ahead, prefix.ranges], [model.ahead, model.ranges.length]);
        assert.deepEqual(prefix.position.ahead?.ranges ?? [], model.ranges);
      }
    }),
  );
});

test('offsets that do not exist hold nothing back', () => {
  const prefix = new SettledPrefix({ offset: 10 });
  prefix.take(15);
  assert.deepEqual([prefix.committable, prefix.next], [15, 16]);
  prefix.settle(15);
  assert.equal(prefix.committable, 16);
});

test('stays right over far more offsets than it keeps, settled in turn, in reverse or behind a slow first one', () => {
  for (const order of ['in turn', 'reverse', 'first last'] as const) {
    const prefix = new SettledPrefix({ offset: 7 });
    for (let round = 0; round < 4; round++) {
      const start = prefix.next;
      const offsets = Array.from({ length: 10_000 }, (_, i) => start + i);
      for (const offset of offsets) prefix.take(offset);
      if (order === 'reverse') offsets.reverse();
      if (order === 'first last') offsets.push(offsets.shift()!);
      for (const offset of offsets.slice(0, -1)) prefix.settle(offset);
      assert.equal(prefix.committable, order === 'in turn' ? prefix.next - 1 : start, order);
      prefix.settle(offsets.at(-1)!);
      assert.equal(prefix.committable, prefix.next, order);
    }
    assert.equal(prefix.next, 7 + 40_000);
  }
});

/** A log of which each record is a second later than the one before; offsets divisible by five do not exist. */
const END = 60;
const LOG = Array.from({ length: END }, (_, offset) => offset).filter((offset) => offset % 5 !== 0);

/** Who has the partition: takes what is in the log, and settles some of it. */
class Owner {
  readonly prefix: SettledPrefix;
  readonly unsettled = new Set<number>();
  constructor(committed: string, offset: number) {
    const { ahead } = parseMetadata(committed, offset);
    this.prefix = new SettledPrefix(ahead ? { offset, ahead } : { offset });
  }
  /** Takes the next record in; answers false when it was settled before. */
  take(): boolean | undefined {
    const offset = LOG.find((one) => one >= this.prefix.next);
    if (offset === undefined) return undefined;
    const isNew = !this.prefix.isSettled(offset, offset * 1000);
    this.prefix.take(offset);
    if (isNew) this.unsettled.add(offset);
    else this.prefix.settle(offset);
    return isNew;
  }
  settle(n: number): number | undefined {
    const offset = [...this.unsettled][n % (this.unsettled.size || 1)];
    if (offset === undefined) return undefined;
    this.unsettled.delete(offset);
    this.prefix.settle(offset);
    return offset;
  }
}

test('whatever is settled in whatever order, and whoever dies when: only what was settled after the last commit comes again, and nothing is left out', () => {
  const step = fc.oneof(
    { arbitrary: fc.constant('take' as const), weight: 6 },
    { arbitrary: fc.nat(), weight: 5 },
    { arbitrary: fc.constant('commit' as const), weight: 2 },
    fc.constant('dies' as const),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400, size: 'max' }), (script) => {
      let owner = new Owner('', 0);
      let committed = { offset: 0, metadata: '' };
      const settled = new Set<number>();
      let [known, told] = [new Set<number>(), new Set<number>()]; // to the owner, and in the commit
      const commit = () => {
        const { position } = owner.prefix;
        const message = { topic: 't', partition: 0, tag: '', ...position };
        committed = { offset: position.offset, metadata: metadataOf(message) };
        told = new Set(known);
      };
      for (const one of [...script, 'commit', 'dies'] as const) {
        if (one === 'take') owner.take();
        else if (one === 'commit') commit();
        else if (one === 'dies') {
          owner = new Owner(committed.metadata, committed.offset);
          known = new Set(told);
        } else {
          const offset = owner.settle(one);
          if (offset !== undefined) for (const all of [settled, known]) all.add(offset);
        }
        for (const offset of owner.unsettled) assert.ok(!told.has(offset), `${offset} comes again`);
        const { ahead = { ranges: [] }, offset: first } = owner.prefix.position;
        const isLeftOut = (offset: number) =>
          offset < first || ahead.ranges.some(({ start, end }) => offset >= start && offset < end);
        for (const offset of LOG)
          assert.ok(settled.has(offset) || !isLeftOut(offset), `${offset} is left out`);
      }
      while (owner.take() !== undefined);
      for (const offset of owner.unsettled) settled.add(owner.settle(0) ?? offset);
      assert.deepEqual(
        [...settled].toSorted((a, b) => a - b),
        LOG,
      );
      assert.deepEqual(owner.prefix.position, { offset: END });
    }),
  );
});

const remembered = {
  offset: 10,
  ahead: {
    ranges: [
      { start: 12, end: 15 },
      { start: 16, end: 18 },
    ],
    latest: 500,
  },
};

test('a record that is later than all that were read when its offset was remembered is another one: nothing remembered counts', () => {
  const prefix = new SettledPrefix(remembered);
  assert.deepEqual([prefix.next, prefix.committable, prefix.ahead, prefix.ranges], [10, 10, 5, 2]);
  for (const [offset, timestamp, isSettled] of [
    [10, 501, false], // it was not settled anyway
    [11, 400, false],
    [12, 500, true],
    [13, 501, false],
    [14, 400, false],
    [16, 400, false],
  ] as const) {
    assert.equal(prefix.isSettled(offset, timestamp), isSettled, `${offset}`);
    prefix.take(offset);
  }
  assert.deepEqual([prefix.ahead, prefix.ranges], [2, 2]);
  assert.deepEqual(prefix.position.ahead, {
    ranges: [
      { start: 12, end: 13 },
      { start: 15, end: 16 },
    ],
    latest: 501,
  });
});

test('what is remembered may be committed only once it was read again', () => {
  const prefix = new SettledPrefix(remembered);
  prefix.take(10);
  prefix.take(11);
  prefix.settle(10);
  prefix.settle(11);
  assert.deepEqual(prefix.position, { ...remembered, offset: 12 });
  assert.equal(prefix.lastSettled, 11);
  prefix.take(12);
  prefix.take(13);
  assert.deepEqual([prefix.committable, prefix.ahead, prefix.lastSettled], [14, 3, 13]);
});

test('of what is gone, only what was not settled is missing', () => {
  const prefix = new SettledPrefix(remembered);
  assert.deepEqual(
    [10, 12, 14, 17, 30].map((offset) => prefix.missing(offset)),
    [0, 2, 2, 3, 15],
  );
  prefix.take(17);
  assert.deepEqual([prefix.committable, prefix.ahead, prefix.missing(20)], [18, 0, 2]);
});

test('what was removed from the beginning is not kept in mind, however much it is', () => {
  const prefix = new SettledPrefix({ offset: 0 });
  prefix.take(1e12);
  assert.deepEqual([prefix.committable, prefix.next], [1e12, 1e12 + 1]);
});

test('what is settled twice counts once', () => {
  const prefix = new SettledPrefix({ offset: 0 });
  for (const offset of [0, 1, 2, 3]) prefix.take(offset);
  for (const offset of [2, 2, 0, 0]) prefix.settle(offset);
  assert.deepEqual([prefix.committable, prefix.ahead, prefix.ranges], [1, 1, 1]);
});
