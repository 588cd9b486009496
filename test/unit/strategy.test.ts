import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { EnvelopeSchema, FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import type { Policy } from '../../src/executor/delivery/policy.ts';
import { decide as decideBy, isExpired } from '../../src/executor/delivery/strategy.ts';
import { UNSUSPECTED } from '../../src/executor/delivery/suspicion.ts';
import type { Failure } from '../../src/executor/handlers/handler.ts';

const POLICY: Policy = {
  strategy: 'RETRY_ALL',
  retries: 3,
  pauseBetweenRetries: 100,
  maxPause: 1000,
  packProcessingTimeout: 1000,
  maxInFlight: 64,
  maxInFlightBytes: 1e6,
  deadLetter: true,
  maxHops: 8,
};
const failure = (failureClass: FailureClass, retryAfter?: number) => ({
  delivered: false as const,
  failureClass,
  reason: 'x',
  ...(retryAfter === undefined ? {} : { retryAfter }),
});
const decide = (policy: Policy, failed: Failure, attempts: number, random: number) =>
  decideBy(policy, failed, attempts, random, UNSUSPECTED);
const CLASSES = Object.values(FailureClass);
const HOPELESS: readonly FailureClass[] = [
  FailureClass.REJECTED,
  FailureClass.UNENCODABLE,
  FailureClass.TOO_LARGE,
  FailureClass.EXPIRED,
];
/** What a newer version may know and this one does not. */
const UNKNOWN = 99 as FailureClass;

test('SKIP_ALL gives up after the first failure, of whatever class', () => {
  for (const failureClass of [...CLASSES, UNKNOWN]) {
    const decision = decide(
      { ...POLICY, strategy: 'SKIP_ALL', retries: 0 },
      failure(failureClass, 50),
      1,
      0.5,
    );
    assert.deepEqual(decision, { retry: false }, String(failureClass));
  }
});

test('RETRY_ALL tries again what another try may mend, also what it does not know', () => {
  for (const failureClass of [...CLASSES, UNKNOWN]) {
    const { retry } = decide(POLICY, failure(failureClass), 1, 0.5);
    assert.equal(retry, !HOPELESS.includes(failureClass), String(failureClass));
  }
});

test('RETRY_ALL tries again `retries` times; 0 is without end', () => {
  const retried = (retries: number, attempts: number) =>
    decide({ ...POLICY, retries }, failure(FailureClass.UNAVAILABLE), attempts, 0.5).retry;
  for (const [retries, attempts, expected] of [
    [1, 1, true],
    [1, 2, false],
    [3, 3, true],
    [3, 4, false],
    [0, 1, true],
    [0, 1_000_000_000, true],
  ] as const) {
    assert.equal(retried(retries, attempts), expected, `${retries} retries, ${attempts} attempts`);
  }
});

test('the pause doubles up to max_pause, with jitter downwards of at most a half, and is never shorter than Retry-After', () => {
  const attempts = fc.integer({ min: 1, max: 1e6 });
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  const retryAfter = fc.option(fc.integer({ min: 0, max: 300_000 }), { nil: undefined });
  fc.assert(
    fc.property(attempts, random, retryAfter, (n, r, asked) => {
      const decision = decide({ ...POLICY, retries: 0 }, failure(FailureClass.THROTTLED, asked), n, r);
      assert.ok(decision.retry);
      const whole = n > 4 ? 1000 : 100 * 2 ** (n - 1);
      assert.ok(decision.pause >= Math.max(whole / 2, asked ?? 0));
      assert.ok(decision.pause <= Math.max(whole, asked ?? 0));
    }),
  );
  const pause = (r: number) => decide(POLICY, failure(FailureClass.UNAVAILABLE), 2, r);
  assert.deepEqual(pause(0), { retry: true, pause: 100 });
  assert.deepEqual(pause(0.5), { retry: true, pause: 150 });
});

test('a message expires when its interval has passed since it was received, to the millisecond', () => {
  const received = Date.UTC(2030, 0);
  const envelope = (messageExpiryInterval?: number, at: number | undefined = received) =>
    create(EnvelopeSchema, {
      ...(messageExpiryInterval === undefined ? {} : { messageExpiryInterval }),
      ...(at === undefined ? {} : { receivedTime: timestampFromMs(at) }),
    });
  assert.equal(isExpired(envelope(10), received + 9999), false);
  assert.equal(isExpired(envelope(10), received + 10_000), true);
  assert.equal(isExpired(envelope(0), received), true);
  assert.equal(isExpired(envelope(undefined), received + 1e12), false);
  assert.equal(isExpired(envelope(0xffff_ffff), received + 1e12), false);
  assert.equal(isExpired(create(EnvelopeSchema, { messageExpiryInterval: 1 }), received), false);
});
