import { FailureClass } from '../../../../gen/penstock/v1/envelope_pb.ts';
import { UnencodableError } from '../../../contract/body.ts';
import { maskedAnswer } from '../../../contract/masked.ts';
import { messageOf } from '../../../runtime/logger.ts';
import { TargetRefusedError } from '../../../runtime/target-guard.ts';
import type { Failure } from '../handler.ts';
import { TokenError } from '../oauth2.ts';
import type { HttpAnswer } from './answer.ts';
import { httpDate } from './http-date.ts';
import { LostError } from './lost-error.ts';
import type { Statuses } from './statuses.ts';

const SECONDS = /^\d+$/;

export interface Surroundings {
  readonly statuses: Statuses;
  readonly now: number;
  /** The longest pause that Retry-After is granted, in milliseconds. */
  readonly maxRetryAfter: number;
  readonly secrets: readonly string[];
}

/** What an answer that is no success means. */
export function failureOf(
  { status, retryAfter, excerpt }: HttpAnswer,
  { statuses, now, maxRetryAfter, secrets }: Surroundings,
): Failure {
  const wanted = retryAfterMs(retryAfter, now);
  const said = maskedAnswer(excerpt, secrets);
  const answered = `the endpoint answered ${status}${pauseText(wanted, maxRetryAfter)}`;
  return {
    delivered: false,
    failureClass: statuses.classOf(status),
    reason: said === '' ? answered : `${answered}: ${said}`,
    ...(wanted === undefined ? {} : { retryAfter: Math.min(wanted, maxRetryAfter) }),
  };
}

/** Retry-After (RFC 9110 section 10.2.3): seconds or a date; what makes no sense is ignored. */
function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const pause = SECONDS.test(header) ? Number(header) * 1000 : (httpDate(header, now) ?? now) - now;
  return pause > 0 ? pause : undefined;
}

function pauseText(wanted: number | undefined, most: number): string {
  if (wanted === undefined) return '';
  const seconds = (ms: number) => `${Math.ceil(ms / 1000)} s`;
  const cut = wanted > most ? `, of which PENSTOCK_MAX_RETRY_AFTER grants ${seconds(most)}` : '';
  return ` and wants a pause of ${seconds(wanted)}${cut}`;
}

/** There was no answer: the request may not be sent as things are, or its connection could not be made, or was lost. */
export function connectionFailure(error: unknown, isBatch: boolean): Failure {
  const failureClass = mayNotSend(error) ? FailureClass.UNAVAILABLE : FailureClass.DISCONNECTED;
  const failure: Failure = { delivered: false, failureClass, reason: messageOf(error) };
  const isShared = error instanceof LostError && (isBatch || error.isShared);
  // Behind an address there are many servers: what one of them does is no reason to give a message up.
  return isShared ? { ...failure, cut: { isShared, isForOne: 'no' } } : failure;
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
