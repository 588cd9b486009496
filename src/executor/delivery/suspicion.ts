import { FailureClass } from '../../../gen/penstock/v1/envelope_pb.ts';
import type { Cut, Failure } from '../handlers/handler.ts';
import type { Policy } from './policy.ts';

/** So many connections that are lost in a row with a message on them make it leave apart, whatever they are lost for. */
const LOSSES = 2;
/** So many that are lost with it alone on them make it the reason, if others got through meanwhile. */
const ALONE = 3;

/** What the connections that were lost with a message on them make of it. */
export interface Suspicion {
  readonly losses: number;
  /** Those on which it was alone, and which may have been lost for it. */
  readonly alone: number;
  /** Messages that had been delivered when the first was lost. */
  readonly delivered: number;
  /** It leaves when nothing else is on its way, and nothing leaves before it has ended: what happens then is its doing. */
  readonly isApart: boolean;
  /** The last loss was no try of it: it may have been another's doing. */
  readonly isExcused: boolean;
}

export const UNSUSPECTED: Suspicion = {
  losses: 0,
  alone: 0,
  delivered: 0,
  isApart: false,
  isExcused: false,
};

/**
 * After one more connection was lost with the message on it. It is excused until it leaves apart, which is soon; where there
 * is only one try it is at once.
 * @param delivered messages that have been delivered
 */
export function afterCut(
  before: Suspicion,
  { isShared, isForOne }: Cut,
  { strategy }: Pick<Policy, 'strategy'>,
  delivered: number,
): Suspicion {
  const isExcused = !before.isApart;
  const losses = before.losses + 1;
  const isAlone = !isShared || before.isApart;
  const alone = before.alone + (isAlone && isForOne !== 'no' ? 1 : 0);
  const isSuspect = isForOne === 'surely' || alone > 0 || losses >= (strategy === 'SKIP_ALL' ? 1 : LOSSES);
  return {
    losses,
    alone,
    delivered: before.losses === 0 ? delivered : before.delivered,
    isApart: before.isApart || isSuspect,
    isExcused,
  };
}

/** Whether it is for this message that connections are lost. @param delivered messages that have been delivered */
export const isCulprit = (suspicion: Suspicion, delivered: number): boolean =>
  suspicion.alone >= ALONE && delivered > suspicion.delivered;

/** The failure of a message that connections are lost for: it is given up. */
export const culpritFailure = ({ reason }: Failure): Failure => ({
  delivered: false,
  failureClass: FailureClass.REJECTED,
  reason: `this message alone was on the connection the last ${ALONE} times that it was lost, while others got through: ${reason}`,
});
