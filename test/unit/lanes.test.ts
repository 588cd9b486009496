import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Lanes } from '../../src/executor/delivery/lanes.ts';

interface Item {
  readonly key: string | null;
  readonly number: number;
}

const step = fc.oneof(
  fc.record({ add: fc.constantFrom('a', 'b', 'c', null) }),
  fc.record({ take: fc.constant(true) }),
  fc.record({ again: fc.nat() }),
  fc.record({ done: fc.nat() }),
);

test('of each key one item leaves at a time, in order, also when it is put back; without a key all may', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (script) => {
      const lanes = new Lanes<Item>();
      const waiting: Item[] = [];
      const taken: Item[] = [];
      let added = 0;
      const take = () => {
        const item = lanes.take();
        const mayLeave = waiting.filter(
          ({ key, number }) =>
            key === null ||
            !(
              taken.some((one) => one.key === key) ||
              waiting.some((one) => one.key === key && one.number < number)
            ),
        );
        if (item === undefined) assert.deepEqual(mayLeave, [], 'nothing that may leave is held back');
        else {
          assert.ok(mayLeave.includes(item), `${item.key} ${item.number} left out of turn`);
          waiting.splice(waiting.indexOf(item), 1);
          taken.push(item);
        }
        return item;
      };
      const pick = (n: number) => taken.splice(n % (taken.length || 1), 1)[0];
      for (const one of script) {
        if ('add' in one) {
          const item = { key: one.add, number: added++ };
          waiting.push(item);
          lanes.add(item);
        } else if ('take' in one) {
          assert.equal(lanes.next !== undefined, take() !== undefined);
        } else if ('again' in one) {
          const item = pick(one.again);
          if (!item) continue;
          waiting.push(item);
          lanes.again(item);
        } else {
          const item = pick(one.done);
          if (item) lanes.done(item);
        }
      }
      while (waiting.length > 0 || taken.length > 0) {
        while (take());
        for (const item of taken.splice(0)) lanes.done(item);
      }
      assert.equal(lanes.next, undefined);
    }),
    { numRuns: 300 },
  );
});

test('thousands of ready items leave in the order they came', () => {
  const lanes = new Lanes<Item>();
  const left: number[] = [];
  for (let number = 0; number < 10_000; number++) {
    lanes.add({ key: null, number });
    if (number % 3 === 0) left.push(lanes.take()!.number);
  }
  for (let item = lanes.take(); item; item = lanes.take()) left.push(item.number);
  assert.deepEqual(
    left,
    Array.from({ length: 10_000 }, (_, number) => number),
  );
});
