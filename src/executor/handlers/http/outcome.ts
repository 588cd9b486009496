import { FailureClass } from '../../../../gen/penstock/v1/envelope_pb.ts';
import { messageOf } from '../../../runtime/logger.ts';
import { TargetRefusedError } from '../../../runtime/target-guard.ts';
import { DELIVERED, type Failure, type Outcome } from '../handler.ts';
import { type HttpAnswer, isSuccess } from './sender.ts';

/** The longest pause that a Retry-After header can ask for, in milliseconds. */
const MAX_RETRY_AFTER = 300_000;

const SECONDS = /^\d+$/;
/** `Date.parse` alone finds a date in nearly everything. */
const HTTP_DATE = /^[A-Z][a-z]{2,8}, .* GMT$/;

/**
 * What an answer means. 2xx is a delivery. The statuses that speak of the message itself are final; all others may pass,
 * also 401 and 403, since credentials get mended.
 */
export function outcomeOf({ status, retryAfter, excerpt }: HttpAnswer, now: number): Outcome {
  if (isSuccess(status)) return DELIVERED;
  const pause = retryAfterMs(retryAfter, now);
  return {
    delivered: false,
    failureClass: classOf(status),
    reason: `the endpoint answered ${status}${excerpt === '' ? '' : `: ${excerpt}`}`,
    ...(pause === undefined ? {} : { retryAfter: pause }),
  };
}

function classOf(status: number): FailureClass {
  if (status === 429) return FailureClass.THROTTLED;
  if (status === 408) return FailureClass.TIMEOUT;
  if (status === 413) return FailureClass.TOO_LARGE;
  if (status === 400 || status === 422 || (status >= 300 && status < 400)) return FailureClass.REJECTED;
  return FailureClass.UNAVAILABLE;
}

/** Retry-After (RFC 9110 section 10.2.3): seconds or a date; what makes no sense is ignored. */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  let pause = 0;
  if (SECONDS.test(header)) pause = Number(header) * 1000;
  else if (HTTP_DATE.test(header)) pause = Date.parse(header) - now;
  return pause > 0 ? Math.min(pause, MAX_RETRY_AFTER) : undefined;
}

/** The connection could not be made, or was lost before the answer was there. */
export function connectionFailure(error: unknown): Failure {
  const failureClass =
    error instanceof TargetRefusedError ? FailureClass.UNAVAILABLE : FailureClass.DISCONNECTED;
  return { delivered: false, failureClass, reason: messageOf(error) };
}
