import { FailureClass } from '../../../../gen/penstock/v1/envelope_pb.ts';
import { UnencodableError } from '../../../contract/body.ts';
import { masked } from '../../../contract/masked.ts';
import { messageOf } from '../../../runtime/logger.ts';
import { TargetRefusedError } from '../../../runtime/target-guard.ts';
import type { Failure } from '../handler.ts';
import { TokenError } from '../oauth2.ts';
import type { HttpAnswer } from './answer.ts';
import type { Statuses } from './statuses.ts';

/** The longest pause that a Retry-After header can ask for, in milliseconds. */
const MAX_RETRY_AFTER = 300_000;

const SECONDS = /^\d+$/;
/** `Date.parse` alone finds a date in nearly everything. */
const HTTP_DATE = /^[A-Z][a-z]{2,8}, .* GMT$/;
/** What an endpoint that tells what it was sent may tell of us. */
const AUTHORIZATION = /\b(Basic|Bearer)\s+[\w.~+/=-]+/gi;

/** What an answer that is no success means. */
export function failureOf(
  { status, retryAfter, excerpt }: HttpAnswer,
  statuses: Statuses,
  now: number,
  secrets: readonly string[],
): Failure {
  const pause = retryAfterMs(retryAfter, now);
  const said = masked(excerpt.replaceAll(AUTHORIZATION, '$1 ***'), secrets);
  return {
    delivered: false,
    failureClass: statuses.classOf(status),
    reason: `the endpoint answered ${status}${said === '' ? '' : `: ${said}`}`,
    ...(pause === undefined ? {} : { retryAfter: pause }),
  };
}

/** Retry-After (RFC 9110 section 10.2.3): seconds or a date; what makes no sense is ignored. */
function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  let pause = 0;
  if (SECONDS.test(header)) pause = Number(header) * 1000;
  else if (HTTP_DATE.test(header)) pause = Date.parse(header) - now;
  return pause > 0 ? Math.min(pause, MAX_RETRY_AFTER) : undefined;
}

/** There was no answer: the request may not be sent as things are, or its connection could not be made, or was lost. */
export function connectionFailure(error: unknown): Failure {
  const failureClass = mayNotSend(error) ? FailureClass.UNAVAILABLE : FailureClass.DISCONNECTED;
  return { delivered: false, failureClass, reason: messageOf(error) };
}

function mayNotSend(error: unknown): boolean {
  if (error instanceof TokenError || error instanceof TargetRefusedError) return true;
  return error instanceof Error && error.cause !== undefined && mayNotSend(error.cause);
}

/** The message cannot be written as a request. Throws what is no `UnencodableError`. */
export function unencodable(error: unknown): Failure {
  if (!(error instanceof UnencodableError)) throw error;
  return { delivered: false, failureClass: FailureClass.UNENCODABLE, reason: messageOf(error) };
}
