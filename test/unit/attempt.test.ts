import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { Attempts } from '../../src/executor/delivery/attempt.ts';
import { DELIVERED, type Handler, type Outcome } from '../../src/executor/handlers/handler.ts';
import { outbound } from '../helpers/handler.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

/** An attempt with a deadline of 100 ms at a handler that does so when its signal aborts; how it ends. */
function attemptWith(
  onAbort: (resolve: (outcomes: Outcome[]) => void, reject: (error: unknown) => void) => void,
) {
  const clock = new ManualClock();
  const handler: Pick<Handler, 'deliver'> = {
    deliver: (_, signal) =>
      new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => onAbort(resolve, () => reject(signal.reason)));
      }),
  };
  const attempts = new Attempts(handler as Handler, 100, clock);
  const ends: (readonly Outcome[] | undefined)[] = [];
  attempts.start([outbound('one'), outbound('two')], (outcomes) => ends.push(outcomes));
  return { clock, attempts, ends };
}

const late = { delivered: false, failureClass: FailureClass.TIMEOUT, reason: 'no answer within 100 ms' };

test('what a handler knows to be delivered when the deadline passes is delivered', async () => {
  const failed = { ...late, failureClass: FailureClass.REJECTED, reason: 'no' };
  const { clock, attempts, ends } = attemptWith((resolve) => resolve([DELIVERED, failed]));
  clock.advance(100);
  await turn();
  assert.deepEqual(ends, [[DELIVERED, failed]]);
  assert.deepEqual([attempts.size, attempts.messages], [0, 0]);
});

test('when the deadline passes without an answer, every message has timed out, whatever the handler does', async () => {
  for (const onAbort of [() => {}, (_: unknown, reject: (error: unknown) => void) => reject(0)]) {
    const { clock, attempts, ends } = attemptWith(onAbort);
    clock.advance(99);
    await turn();
    assert.deepEqual(ends, []);
    clock.advance(1);
    await turn();
    assert.deepEqual(ends, [[late, late]]);
    assert.deepEqual([attempts.size, attempts.messages], [0, 0]);
  }
});

test('an answer that comes later is ignored', async () => {
  const { clock, ends } = attemptWith((resolve) =>
    setImmediate(() => setImmediate(resolve, [DELIVERED, DELIVERED])),
  );
  clock.advance(100);
  await turn();
  await turn();
  await turn();
  assert.deepEqual(ends, [[late, late]]);
});
