import { FailureClass } from '../../../../gen/penstock/v1/envelope_pb.ts';
import type { Failure } from '../handler.ts';
import type { ConnectionError } from './course.ts';
import { classOfCulprit } from './reason-code.ts';

/** There was no connection, or none any more. */
export const disconnected = (reason: string): Failure => ({
  delivered: false,
  failureClass: FailureClass.DISCONNECTED,
  reason,
});

/** What a lost connection means for each message that was on it. @param isShared whether there were others */
export function cutFailure({ message, code, isForMessage }: ConnectionError, isShared: boolean): Failure {
  if (code !== undefined && isForMessage === 'surely' && !isShared) {
    const reason = `${message}; no other message was on it`;
    return { delivered: false, failureClass: classOfCulprit(code), reason };
  }
  const cut = { isShared, isForOne: isForMessage };
  return { ...disconnected(message), cut };
}
