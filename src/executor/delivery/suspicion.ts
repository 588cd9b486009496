import { FailureClass } from '../../../gen/penstock/v1/envelope_pb.ts';
import type { Cut, Failure } from '../handlers/handler.ts';
import type { Policy } from './policy.ts';

/** So many connections that are lost in a row with a message on them make it leave otherwise, whatever they are lost for. */
const LOSSES = 2;
/** So many more, with few others on them, make it leave apart. */
const WARY = 3;
/** So many that are lost with it alone on them, while others got through between and none else was lost, make it the reason. */
const ALONE = 3;
/** Where nothing else comes there is nothing to compare it with: so many in a row make it the reason, too. */
const IN_A_ROW = 10;
/** When they last for so long: less is what a restart of a broker takes. Milliseconds. */
const LONG = 10_000;

/** What the connections that were lost with a message on them make of it. */
export interface Suspicion {
  readonly losses: number;
  /** Those on which it was alone, and which may have been lost for it. */
  readonly alone: number;
  /** Messages that had got through at the last of those. */
  readonly delivered: number;
  /** Those since the first of them, in a row, while nothing else was lost, whatever got through. */
  readonly inARow: number;
  /**
   * Apart: when nothing else is on its way, and nothing leaves before it has ended. What happens then is its doing, or that of
   * one that nobody answers, and that the broker has not come to yet. Warily: with few others, where the losses say nothing of
   * messages.
   */
  readonly leaves: 'freely' | 'warily' | 'apart';
  /** The last loss was no try of it: it may have been another's doing. */
  readonly isExcused: boolean;
}

export const UNSUSPECTED: Suspicion = {
  losses: 0,
  alone: 0,
  delivered: 0,
  inARow: 0,
  leaves: 'freely',
  isExcused: false,
};

/**
 * After one more connection was lost with the message on it. It is excused until it leaves alone, which is soon; where there
 * is only one try it is at once. A broker that takes nothing for a while accuses none as soon: nothing gets through between its
 * losses; nor at all where more than one is lost.
 * @param delivered messages that have got through
 * @param isOnly whether no other was lost since the last that got through
 * @param hadCompany whether others had left with it
 */
export function afterCut(
  before: Suspicion,
  { isShared, isForOne }: Cut,
  { strategy }: Pick<Policy, 'strategy'>,
  delivered: number,
  isOnly: boolean,
  hadCompany: boolean,
): Suspicion {
  const isExcused = before.leaves === 'freely' || (before.leaves === 'warily' && hadCompany);
  const losses = before.losses + 1;
  // Also one that leaves apart is not alone behind those that nobody answers. What got through before the last one that counts
  // says nothing of this one: a broker that took others then may take nothing now.
  const isAlone = !isShared && isForOne !== 'no' && (before.alone === 0 || isOnly);
  const counts = isAlone && (before.alone === 0 || delivered > before.delivered);
  const alone = before.alone + (counts ? 1 : 0);
  const most = strategy === 'SKIP_ALL' ? 1 : LOSSES;
  const isSuspect = isForOne === 'surely' || alone > 0 || losses >= (isForOne === 'no' ? most + WARY : most);
  const otherwise = losses >= most ? 'warily' : 'freely';
  return {
    losses,
    alone,
    delivered: counts ? delivered : before.delivered,
    inARow: isAlone ? before.inARow + 1 : 0,
    leaves: before.leaves === 'apart' || isSuspect ? 'apart' : otherwise,
    isExcused,
  };
}

/** Whether this one may leave in a pack that begins with that one. */
export const mayAccompany = (first: Suspicion, { leaves }: Suspicion): boolean =>
  leaves === 'freely' || (leaves === 'warily' && first.leaves === 'warily');

/** Whether it is for this message that connections are lost. @param ms since the first that was lost with it alone on it */
export const isCulprit = ({ alone, inARow }: Suspicion, ms: number): boolean =>
  alone >= ALONE || (inARow >= IN_A_ROW && ms >= LONG);

/** The failure of a message that connections are lost for: it is given up. */
export const culpritFailure = ({ reason }: Failure, { alone }: Suspicion): Failure => ({
  delivered: false,
  failureClass: FailureClass.REJECTED,
  reason: `the connection was lost ${
    alone >= ALONE
      ? `${ALONE} times with this message alone on it, while others got through`
      : `${IN_A_ROW} times in a row with this message alone on it`
  }: ${reason}`,
});
