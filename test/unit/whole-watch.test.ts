import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as immediate } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { WatchRequestSchema, type WatchResponse } from '../../gen/penstock/v1/watch_service_pb.ts';
import { Watches } from '../../src/control-plane/watches/watches.ts';
import { wholeWatch } from '../../src/control-plane/watches/whole-watch.ts';
import { ANYBODY } from '../helpers/anybody.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

/** A watch on a PostgreSQL that answers nothing. */
function silent(init: Parameters<typeof create<typeof WatchRequestSchema>>[1]) {
  const clock = new ManualClock();
  const watches = new Watches({ db: { query: () => new Promise<never>(() => {}) }, clock });
  const over = new AbortController();
  const got: WatchResponse[] = [];
  const ended = (async () => {
    const request = create(WatchRequestSchema, init);
    for await (const one of wholeWatch(request, ANYBODY, watches, clock, over.signal)) got.push(one);
  })().catch((error) => error);
  const passes = async (ms: number) => {
    clock.advance(ms);
    await immediate();
  };
  return { clock, got, ended, passes, leave: (error: Error) => over.abort(error) };
}

const EVERYTHING = { integrations: {}, events: {}, nodes: true };

test('a response with the time comes at once, and every 5 seconds at least, whatever PostgreSQL does', async () => {
  for (const [request, isSynced] of [
    [{}, true],
    [EVERYTHING, false],
  ] as const) {
    const { got, passes, leave, ended } = silent(request);
    await passes(0);
    assert.deepEqual(
      got.map(({ time, synced }) => [timestampMs(time!), synced]),
      [[0, isSynced]],
    );
    for (let n = 0; n < 1000; n++) await passes(100);
    const times = got.map(({ time }) => timestampMs(time!));
    assert.ok(
      times.slice(1).every((time, i) => time - times[i]! <= 5000),
      times.join(),
    );
    assert.ok(times.at(-1)! >= 95_000 && times.length <= 30);
    assert.equal(got.filter(({ synced }) => synced).length, isSynced ? 1 : 0);
    leave(new Error('it went'));
    assert.match(String(await ended), /it went/);
  }
});

test('a watch that has ended leaves no timer behind', async () => {
  const { clock, passes, leave, ended } = silent({});
  await passes(0);
  assert.equal(clock.timers, 1);
  leave(new Error('it went'));
  await ended;
  await immediate();
  assert.equal(clock.timers, 0);
});
