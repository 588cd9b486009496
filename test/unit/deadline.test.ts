import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { DeadlineError, timeoutSignal, withDeadline } from '../../src/runtime/deadline.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

test('work that ends in time is its end, and leaves no timer', async () => {
  const clock = new ManualClock();
  assert.equal(await withDeadline(clock, 10, 'work', Promise.resolve(7)), 7);
  await assert.rejects(withDeadline(clock, 10, 'work', Promise.reject(new Error('broken'))), /broken/);
  assert.equal(clock.timers, 0);
});

test('work that does not end in time is an error that names it', async () => {
  const clock = new ManualClock();
  const late = withDeadline(clock, 10, 'work', new Promise(() => {}));
  clock.advance(10);
  await assert.rejects(late, new DeadlineError('work: no answer within 10 ms'));
});

test('work is waited for until the signal aborts', async () => {
  const clock = new ManualClock();
  const stop = new AbortController();
  const forever = new Promise(() => {});
  const waiting = withDeadline(clock, 10, 'work', forever, stop.signal);
  stop.abort(new Error('stop'));
  await assert.rejects(waiting, /stop/);
  await assert.rejects(withDeadline(clock, 10, 'work', forever, stop.signal), /stop/);
  assert.equal(clock.timers, 0);
});

test('a timeout signal aborts in its time, not before', () => {
  const clock = new ManualClock();
  const { signal } = timeoutSignal(clock, 10, 'work');
  clock.advance(9);
  assert.equal(signal.aborted, false);
  clock.advance(1);
  assert.deepEqual(signal.reason, new DeadlineError('work: no answer within 10 ms'));
});

test('a timeout signal aborts with its parent, and leaves no timer', () => {
  const clock = new ManualClock();
  const parent = new AbortController();
  const { signal } = timeoutSignal(clock, 10, 'work', parent.signal);
  parent.abort(new Error('stop'));
  assert.deepEqual(signal.reason, new Error('stop'));
  assert.equal(timeoutSignal(clock, 10, 'work', parent.signal).signal.reason, signal.reason);
  assert.equal(clock.timers, 0);
});

test('a timeout signal that is disposed leaves nothing at clock and parent', () => {
  const clock = new ManualClock();
  const parent = new AbortController();
  const timeout = timeoutSignal(clock, 10, 'work', parent.signal);
  timeout[Symbol.dispose]();
  assert.equal(clock.timers, 0);
  assert.equal(getEventListeners(parent.signal, 'abort').length, 0);
  assert.equal(timeout.signal.aborted, false);
});
