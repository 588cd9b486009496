import { FailureClass } from '../../../gen/penstock/v1/envelope_pb.ts';
import type { Delivered, Failure } from '../handlers/handler.ts';
import type { Policy } from './policy.ts';
import { afterCut, culpritFailure, isCulprit, UNSUSPECTED } from './suspicion.ts';
import type { InFlight } from './window.ts';

/** Of a topic name, this much stands in a reason. */
const EXCERPT = 100;

/** Finds the messages that connections are lost for: those that were on them leave one by one, until one is left over. */
export class Suspects {
  readonly #policy: Pick<Policy, 'strategy'>;
  /** Messages that got through: those that were answered. */
  #delivered = 0;
  /** Whether what left last left apart. */
  #isApart = false;
  /** Of those that were alone on a connection when it was lost, one that is neither answered nor settled. */
  #accused: { readonly message: InFlight; readonly reason: string } | undefined;

  constructor(policy: Pick<Policy, 'strategy'>) {
    this.#policy = policy;
  }

  /** Whether this one may leave now, while so many calls are on their way. */
  mayLeave({ suspicion }: InFlight, onTheirWay: number): boolean {
    return onTheirWay === 0 || !(suspicion.isApart || this.#isApart);
  }

  leave([first]: readonly InFlight[]): void {
    this.#isApart = first?.suspicion.isApart ?? false;
  }

  delivered({ isUnanswered }: Delivered): void {
    if (!isUnanswered) this.#delivered++;
  }

  /** Hears of a failure, and answers what it counts as. */
  failed(message: InFlight, failure: Failure): Failure {
    const { cut, isHeld } = failure;
    if (isHeld) return failure;
    if (!cut) {
      // What was answered did not cost the connection.
      if (isAnswer(failure)) this.forget(message);
      message.suspicion = isAnswer(failure) ? UNSUSPECTED : { ...message.suspicion, isExcused: false };
      return failure;
    }
    message.suspicion = afterCut(message.suspicion, cut, this.#policy, this.#delivered);
    if (message.suspicion.isApart) message.companions = 0;
    if (message.suspicion.alone > 0) this.#accuse(message, failure);
    return isCulprit(message.suspicion) ? culpritFailure(failure) : failure;
  }

  #accuse(message: InFlight, { reason }: Failure): void {
    if (!this.#accused || this.#accused.message === message) this.#accused = { message, reason };
  }

  /** It is settled, or answered. */
  forget(message: InFlight): void {
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
