import { timestampMs } from '@bufbuild/protobuf/wkt';
import { type Envelope, FailureClass } from '../../../gen/penstock/v1/envelope_pb.ts';
import { backoffPause } from '../../runtime/backoff.ts';
import { type Failure, isHopeless } from '../handlers/handler.ts';
import type { Policy } from './policy.ts';
import type { Suspicion } from './suspicion.ts';

export type Decision = { readonly retry: true; readonly pause: number } | { readonly retry: false };

/**
 * What becomes of a message after its `attempts`-th failed try, or after one that does not count.
 * @param random a number in [0, 1), for the jitter
 */
export function decide(
  policy: Policy,
  failure: Failure,
  attempts: number,
  random: number,
  { isExcused, losses }: Suspicion,
): Decision {
  const isLast = policy.strategy === 'SKIP_ALL' || (policy.retries > 0 && attempts > policy.retries);
  if (isHopeless(failure) || (isLast && !isExcused)) return { retry: false };
  const failures = attempts + (isExcused ? losses : 0);
  const pause = backoffPause({ initial: policy.pauseBetweenRetries, max: policy.maxPause }, failures, random);
  return { retry: true, pause: Math.max(pause, failure.retryAfter ?? 0) };
}

/**
 * Whether a message failed only since another one of its lane did: this was no try of its own.
 * @param isStalled one of its lane is tried again
 */
export function isHeld(failure: Failure, isStalled: boolean): boolean {
  const isItsOwn = isHopeless(failure) && failure.ofPack !== true;
  return failure.isHeld === true || (isStalled && !isItsOwn);
}

/** Whether the external system refused messages losses for good without saying which of them is at fault. */
export function isSuspect(failure: Failure): boolean {
  return failure.ofPack === true && isHopeless(failure);
}

/** Whether the envelope's MQTT message expiry interval has passed (MQTT 5.0 section 3.3.2.3.3). */
export function isExpired(envelope: Envelope, now: number): boolean {
  const { messageExpiryInterval: seconds, receivedTime } = envelope;
  return (
    seconds !== undefined && receivedTime !== undefined && now >= timestampMs(receivedTime) + seconds * 1000
  );
}

/** Why a message must not leave any more; undefined: it may. */
export function futilityOf(
  envelope: Envelope,
  { maxHops }: Pick<Policy, 'maxHops'>,
  now: number,
): Failure | undefined {
  if (isExpired(envelope, now)) return EXPIRED;
  return envelope.hopCount >= maxHops ? LOOPING : undefined;
}

const EXPIRED: Failure = {
  delivered: false,
  failureClass: FailureClass.EXPIRED,
  reason: 'the message expiry interval has passed',
};
const LOOPING: Failure = {
  delivered: false,
  failureClass: FailureClass.REJECTED,
  reason:
    'the message goes round in a loop: it has passed through as many integrations as PENSTOCK_MAX_HOPS allows; ' +
    'change the topic filters or the targets that lead it back, or allow more',
};
export const NO_OUTCOME: Failure = {
  delivered: false,
  failureClass: FailureClass.UNAVAILABLE,
  reason: 'the handler answered without an outcome for this message',
};
