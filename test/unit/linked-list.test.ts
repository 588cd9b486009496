import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Linked, LinkedList } from '../../src/runtime/linked-list.ts';

interface Item extends Linked<Item> {
  readonly number: number;
}

const item = (number: number): Item => ({ number, before: undefined, after: undefined });

test('a linked list is what a Set is', () => {
  const step = fc.record({ add: fc.boolean(), which: fc.nat(9) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100, size: 'max' }), (script) => {
      const items = Array.from({ length: 10 }, (_, number) => item(number));
      const list = new LinkedList<Item>();
      const model = new Set<Item>();
      for (const { add, which } of script) {
        const one = items[which]!;
        if (!add) assert.equal(list.delete(one), model.delete(one));
        else if (!model.has(one)) {
          list.add(one);
          model.add(one);
        }
        assert.deepEqual(
          [...list].map(({ number }) => number),
          [...model].map(({ number }) => number),
        );
        assert.deepEqual([list.size, list.first?.number], [model.size, [...model][0]?.number]);
        for (const other of items) assert.equal(list.has(other), model.has(other));
      }
    }),
  );
});

test('what is taken out of a list keeps nothing of it in memory', () => {
  const list = new LinkedList<Item>();
  const items = [item(0), item(1), item(2)];
  for (const one of items) list.add(one);
  list.delete(items[1]!);
  assert.deepEqual(items[1], item(1));
});

test('all of a list may be taken out while it is gone through', () => {
  const list = new LinkedList<Item>();
  for (let number = 0; number < 3; number++) list.add(item(number));
  for (const one of list) list.delete(one);
  assert.deepEqual([[...list], list.size, list.first], [[], 0, undefined]);
});
