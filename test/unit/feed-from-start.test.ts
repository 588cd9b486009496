import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FeedOptions } from '../../src/bus/bus.ts';
import { feedFromStart } from '../../src/bus/feed-from-start.ts';

/** A partition that is fed by hand. */
function world() {
  let options!: FeedOptions;
  const state = { isCaughtUp: false, taken: 0, isDisposed: false };
  const bus = {
    feed(given: FeedOptions) {
      options = given;
      return {
        resume() {},
        backlog: async () => 0,
        [Symbol.dispose]() {
          state.isDisposed = true;
        },
      };
    },
  };
  const feed = feedFromStart(bus, { topic: 't', partition: 0 }, () => {
    state.taken++;
  });
  void feed.caughtUp.then(() => {
    state.isCaughtUp = true;
  });
  const at = async (position: number, end: number) => {
    options.onPosition!(position, end);
    await new Promise((resolve) => setImmediate(resolve));
    return state.isCaughtUp;
  };
  return { options, state, feed, at };
}

test('caught up is who has read to the end that was there first, however much comes meanwhile', async () => {
  const { at } = world();
  assert.equal(await at(0, 10), false);
  assert.equal(await at(9, 15), false);
  assert.equal(await at(10, 25), true);
});

test('an empty partition is read at once; what compaction took away is not waited for', async () => {
  assert.equal(await world().at(0, 0), true);
  const { at, options, state, feed } = world();
  assert.deepEqual([options.from, options.isCompacted], [0, true]);
  assert.equal(await at(0, 10), false);
  const record = { topic: 't', partition: 0, offset: 3, timestamp: 0, key: 'k', value: null };
  assert.equal(options.take(record), true);
  assert.equal(await at(10, 10), true, 'the last record is at 3');
  feed[Symbol.dispose]();
  assert.deepEqual([state.taken, state.isDisposed], [1, true]);
});
