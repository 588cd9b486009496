import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SettledPrefix } from '../../src/executor/delivery/settled-prefix.ts';

/** The same, the slow and obvious way. */
class Model {
  readonly unsettled = new Set<number>();
  next: number;
  constructor(next: number) {
    this.next = next;
  }
  take(offset: number): void {
    this.unsettled.add(offset);
    this.next = offset + 1;
  }
  get committable(): number {
    return Math.min(this.next, ...this.unsettled);
  }
}

const steps = fc.array(
  fc.oneof(
    fc.record({ take: fc.oneof({ arbitrary: fc.constant(0), weight: 9 }, fc.integer({ min: 1, max: 9 })) }),
    fc.record({ settle: fc.nat() }),
  ),
  { maxLength: 200, size: 'max' },
);

test('what may be committed is what a plain model says, whatever is taken in, left out and settled', () => {
  fc.assert(
    fc.property(fc.nat(1e12), steps, (first, script) => {
      const prefix = new SettledPrefix(first);
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
      }
    }),
  );
});

test('offsets that do not exist hold nothing back', () => {
  const prefix = new SettledPrefix(10);
  prefix.take(15);
  assert.deepEqual([prefix.committable, prefix.next], [15, 16]);
  prefix.settle(15);
  assert.equal(prefix.committable, 16);
});

test('stays right over far more offsets than it keeps, settled in turn, in reverse or behind a slow first one', () => {
  for (const order of ['in turn', 'reverse', 'first last'] as const) {
    const prefix = new SettledPrefix(7);
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
