import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bus } from '../../src/bus/bus.ts';
import { startRequester } from '../../src/bus/request-reply.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { DeadlineError } from '../../src/runtime/deadline.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { testDeps } from '../helpers/test-deps.ts';

/** A start on a Kafka whose topics are never read to their end. */
function stuckStart() {
  const clock = new ManualClock();
  const stop = new AbortController();
  const state = { isDisposed: false };
  const bus: Partial<Bus> = {
    feed: () => ({
      resume() {},
      backlog: async () => 0,
      [Symbol.dispose]() {
        state.isDisposed = true;
      },
    }),
  };
  const topic = topicsOf('p').notifications('cp');
  const deps = { ...testDeps(), clock, bus: bus as Bus, topic };
  const started = startRequester({ ...deps, signal: stop.signal });
  return { clock, stop, state, started };
}

test('a start that cannot read the answers ends in time', { timeout: 10_000 }, async () => {
  const { clock, state, started } = stuckStart();
  setImmediate(() => clock.advance(60_000));
  await assert.rejects(started, DeadlineError);
  assert.ok(state.isDisposed);
});

test('a start that is given up ends', { timeout: 10_000 }, async () => {
  const { stop, state, started } = stuckStart();
  setImmediate(() => stop.abort(new Error('shutting down')));
  await assert.rejects(started, /shutting down/);
  assert.ok(state.isDisposed);
});
