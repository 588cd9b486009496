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
  fc.record({ take: fc.nat(3) }),
  fc.record({ again: fc.nat() }),
  fc.record({ stall: fc.nat() }),
  fc.record({ hold: fc.nat() }),
  fc.record({ done: fc.nat() }),
);

/** What lanes are to do, told item by item. */
class Model {
  readonly #areAbreast: boolean;
  readonly waiting: Item[] = [];
  readonly out: Item[] = [];
  readonly #stalled = new Set<string>();
  /** Of those that are out. */
  readonly held = new Set<Item>();

  constructor(areAbreast: boolean) {
    this.#areAbreast = areAbreast;
  }

  isStalled = ({ key }: Item) => key !== null && this.#stalled.has(key);

  #isOut = ({ key }: Item) => key !== null && this.out.some((one) => one.key === key);

  #isFirst = ({ key, number }: Item) =>
    key === null || !this.waiting.some((one) => one.key === key && one.number < number);

  mayLeave(): Item[] {
    const isHeld = ({ key }: Item) => [...this.held].some((one) => one.key === key);
    const isOpen = (item: Item) =>
      !this.#isOut(item) || (this.#areAbreast && !this.isStalled(item) && !isHeld(item));
    return this.waiting.filter((item) => this.#isFirst(item) && isOpen(item));
  }

  mayFollow = ({ key }: Item) =>
    key === null ? undefined : this.waiting.find((one) => one.key === key && this.#isFirst(one));

  take(item: Item): void {
    this.waiting.splice(this.waiting.indexOf(item), 1);
    this.out.push(item);
  }

  stall({ key }: Item): void {
    if (key !== null) this.#stalled.add(key);
  }

  isBack(item: Item, isDone: boolean): void {
    if (!isDone) this.stall(item);
    this.out.splice(this.out.indexOf(item), 1);
    this.held.delete(item);
    if (!isDone) this.waiting.push(item);
    if (!this.#isOut(item)) this.#stalled.delete(item.key!);
  }
}

for (const areAbreast of [false, true]) {
  const what = areAbreast
    ? 'items leave behind each other, until one stalls them'
    : 'one item leaves at a time';
  test(`of each key ${what}, in order, also when it is put back; without a key all may`, () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (script) => {
        const lanes = new Lanes<Item>(areAbreast);
        const model = new Model(areAbreast);
        let added = 0;
        const take = (followers: number) => {
          const { next } = lanes;
          const item = lanes.take();
          const mayLeave = model.mayLeave();
          assert.equal(item, next);
          assert.equal(lanes.ready + (item ? 1 : 0) >= mayLeave.length, true);
          if (item === undefined) assert.deepEqual(mayLeave, [], 'nothing that may leave is held back');
          else {
            assert.ok(mayLeave.includes(item), `${item.key} ${item.number} left out of turn`);
            model.take(item);
            for (let i = 0; i < followers && !areAbreast; i++) {
              const follower = lanes.behind(item);
              assert.equal(follower, model.mayFollow(item));
              if (!follower) break;
              lanes.takeBehind(item);
              model.take(follower);
            }
          }
          return item;
        };
        const isBack = (item: Item, isDone: boolean) => {
          model.isBack(item, isDone);
          if (isDone) lanes.done(item);
          else lanes.again(item);
        };
        const pick = (n: number) => model.out[n % (model.out.length || 1)];
        for (const one of script) {
          if ('add' in one) {
            const item = { key: one.add, number: added++ };
            model.waiting.push(item);
            lanes.add(item);
          } else if ('take' in one) take(one.take);
          else if ('again' in one) {
            const item = pick(one.again);
            if (item && !model.held.has(item)) isBack(item, false);
          } else if ('stall' in one) {
            const item = pick(one.stall);
            if (!item) continue;
            model.stall(item);
            lanes.stall(item);
          } else if ('hold' in one) {
            const item = pick(one.hold);
            if (!item || model.held.has(item)) continue;
            if (item.key !== null) model.held.add(item);
            lanes.hold(item);
          } else {
            const item = pick(one.done);
            if (item) isBack(item, true);
          }
          for (const item of model.out) assert.equal(lanes.isStalled(item), model.isStalled(item));
          if (!areAbreast) assert.equal(lanes.ready, model.mayLeave().length);
        }
        while (model.waiting.length > 0 || model.out.length > 0) {
          while (take(2));
          for (const item of [...model.out]) isBack(item, true);
        }
        assert.deepEqual([lanes.next, lanes.heads, lanes.ready, lanes.available], [undefined, 0, 0, 0]);
      }),
      { numRuns: 300 },
    );
  });
}

test('a lane takes its turn among the others, however much it has', () => {
  const lanes = new Lanes<Item>(true);
  for (const [number, key] of ['a', 'a', 'a', 'b', 'c', 'b'].entries()) lanes.add({ key, number });
  const left: number[] = [];
  for (let item = lanes.take(); item; item = lanes.take()) left.push(item.number);
  assert.deepEqual(left, [0, 3, 4, 1, 5, 2]);
});

test('thousands of ready items leave in the order they came', () => {
  const lanes = new Lanes<Item>(false);
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
