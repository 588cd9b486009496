import { FailureClass } from '../../../gen/penstock/v1/envelope_pb.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Delivered, Failure } from '../handlers/handler.ts';
import type { Lanes } from './lanes.ts';
import type { Policy } from './policy.ts';
import { afterCut, culpritFailure, isCulprit, type Suspicion, UNSUSPECTED } from './suspicion.ts';
import type { InFlight } from './window.ts';

/** Of a topic name, this much stands in a reason. */
const EXCERPT = 100;

/**
 * Finds the messages that connections are lost for: those that were on them leave one by one, until one is left over. Where a
 * loss says nothing of messages, they leave in groups: of one first, of twice as many after each that lost no connection.
 */
export class Suspects {
  readonly #policy: Pick<Policy, 'strategy'>;
  readonly #clock: Pick<Clock, 'monotonic'>;
  /** Messages that got through: those that were answered. */
  #delivered = 0;
  /** The numbers of those that were lost since the last of them: one, or several. */
  readonly #lost = new Set<number>();
  /** What left since nothing was on its way; how many may; and whether a connection was lost since the last wary group left. */
  #group = { size: 0, most: Number.POSITIVE_INFINITY };
  #wary = 1;
  #isLost = false;
  /** Of those that were alone on a connection when it was lost, one that is neither answered nor settled. */
  #accused: { readonly message: InFlight; readonly reason: string; readonly since: number } | undefined;
  /** The one that waits for its next try after such a loss: of the others one leaves first, whose fate says more. */
  #trial: InFlight | undefined;
  /** That one has ended, whatever became of it: the rest need not wait. */
  #isWitnessed = false;

  constructor(policy: Pick<Policy, 'strategy'>, clock: Pick<Clock, 'monotonic'>) {
    this.#policy = policy;
    this.#clock = clock;
  }

  /** How many may leave now, with this one first, while so many calls are on their way. */
  room({ suspicion }: InFlight, onTheirWay: number): number {
    if (this.#isRationed) return onTheirWay === 0 ? 1 : 0;
    if (onTheirWay === 0) return this.#mostWith(suspicion);
    const { size, most } = this.#group;
    const isWary = suspicion.leaves === 'warily' && most < Number.POSITIVE_INFINITY;
    return suspicion.leaves === 'freely' || isWary ? Math.max(0, most - size) : 0;
  }

  get #isRationed(): boolean {
    return this.#trial !== undefined && !this.#isWitnessed;
  }

  /** It waits for its next try. */
  pause(message: InFlight): void {
    if (this.#trial || message.suspicion.inARow === 0) return;
    this.#trial = message;
    this.#isWitnessed = false;
  }

  /** It may leave again: before all others, when it is the one in question. */
  again(message: InFlight, lanes: Lanes<InFlight>): void {
    lanes.again(message, message === this.#trial);
    if (lanes.next !== message) this.endTrial(message); // its lane is closed
  }

  /** It will not leave, or not soon: nothing waits for it. */
  endTrial(message: InFlight | undefined = this.#trial): void {
    if (message === this.#trial) this.#trial = undefined;
  }

  /** The one that is to leave before its pause is over: another one got through since it cost the connection. */
  get due(): InFlight | undefined {
    return this.#trial && this.#delivered > this.#trial.suspicion.delivered ? this.#trial : undefined;
  }

  leave(pack: readonly InFlight[], onTheirWay: number): void {
    this.endTrial(pack[0]);
    if (onTheirWay === 0) this.#begin(pack[0]!.suspicion);
    this.#group.size += pack.length;
  }

  #begin(suspicion: Suspicion): void {
    const most = this.#mostWith(suspicion);
    this.#group = { size: 0, most };
    if (suspicion.leaves !== 'warily' || this.#isRationed) return;
    this.#wary = most;
    this.#isLost = false;
  }

  #mostWith({ leaves }: Suspicion): number {
    if (leaves === 'freely') return Number.POSITIVE_INFINITY;
    if (leaves === 'apart') return 1;
    return this.#isLost ? 1 : this.#wary * 2;
  }

  delivered({ isUnanswered }: Delivered): void {
    this.#isWitnessed = true;
    if (isUnanswered) return;
    this.#delivered++;
    // Emptying a set allocates, and this is each message's path.
    if (this.#lost.size > 0) this.#lost.clear();
  }

  /** Hears of a failure, and answers what it counts as. */
  failed(message: InFlight, failure: Failure): Failure {
    const { cut, isHeld } = failure;
    this.#isWitnessed = true;
    if (isHeld) return failure;
    if (!cut) {
      // What was answered did not cost the connection.
      if (isAnswer(failure)) this.forget(message);
      message.suspicion = isAnswer(failure) ? UNSUSPECTED : { ...message.suspicion, isExcused: false };
      return failure;
    }
    this.#isLost = true;
    if (this.#lost.size < 2) this.#lost.add(message.number);
    const [isOnly, hadCompany] = [this.#lost.size === 1, this.#group.size > 1];
    message.suspicion = afterCut(message.suspicion, cut, this.#policy, this.#delivered, isOnly, hadCompany);
    if (message.suspicion.alone > 0) this.#accuse(message, failure);
    const { message: accused, since = 0 } = this.#accused ?? {};
    const ms = accused === message ? this.#clock.monotonic() - since : 0;
    return isCulprit(message.suspicion, ms) ? culpritFailure(failure, message.suspicion) : failure;
  }

  #accuse(message: InFlight, { reason }: Failure): void {
    const since = this.#accused?.since ?? this.#clock.monotonic();
    if (!this.#accused || this.#accused.message === message) this.#accused = { message, reason, since };
  }

  /** It is settled, or answered. */
  forget(message: InFlight): void {
    this.endTrial(message);
    if (this.#accused?.message === message) this.#accused = undefined;
  }

  /** Which message connections seem to be lost for, and why, for people; undefined: none. */
  get reason(): string | undefined {
    if (!this.#accused) return undefined;
    const { message, reason } = this.#accused;
    const { partition, offset, envelope } = message;
    return (
      `the connection is lost while only message ${partition}-${offset} is on it, of topic ` +
      `${envelope.topicName.slice(0, EXCERPT)}: it is tried again with nothing else on its way; ${reason}`
    );
  }
}

const isAnswer = ({ failureClass }: Failure) =>
  failureClass === FailureClass.UNAVAILABLE || failureClass === FailureClass.THROTTLED;
