import { FailureClass } from '../../../gen/penstock/v1/envelope_pb.ts';
import type { Delivered, Failure } from '../handlers/handler.ts';
import type { Policy } from './policy.ts';
import { afterCut, culpritFailure, isCulprit, UNSUSPECTED } from './suspicion.ts';
import type { InFlight, Window } from './window.ts';

/** Of a topic name, this much stands in a reason. */
const EXCERPT = 100;

/** Finds the messages that connections are lost for: those that were on them leave one by one, until one is left over. */
export class Suspects {
  readonly #policy: Policy;
  readonly #window: Pick<Window, 'has'>;
  /** Messages that got through: those that were answered. */
  #delivered = 0;
  /** The one that leaves, or has left, apart. */
  #apart: InFlight | undefined;
  /** Of those that were alone on a connection when it was lost, one that is not settled. */
  #accused: { readonly message: InFlight; readonly reason: string } | undefined;

  constructor(policy: Policy, window: Pick<Window, 'has'>) {
    this.#policy = policy;
    this.#window = window;
  }

  /** Whether this one may leave now, while so many calls are on their way. */
  mayLeave({ suspicion }: InFlight, onTheirWay: number): boolean {
    return onTheirWay === 0 || (!suspicion.isApart && this.#apart === undefined);
  }

  leave([first]: readonly InFlight[]): void {
    this.#apart = first?.suspicion.isApart ? first : undefined;
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
      message.suspicion = isAnswer(failure) ? UNSUSPECTED : { ...message.suspicion, isExcused: false };
      return failure;
    }
    message.suspicion = afterCut(message.suspicion, cut, this.#policy, this.#delivered);
    if (message.suspicion.isApart) message.companions = 0;
    if (message.suspicion.alone > 0) this.#accuse(message, failure);
    return isCulprit(message.suspicion) ? culpritFailure(failure) : failure;
  }

  #accuse(message: InFlight, { reason }: Failure): void {
    if (this.#accused && this.#accused.message !== message && this.#window.has(this.#accused.message)) return;
    this.#accused = { message, reason };
  }

  /** Which message connections seem to be lost for, and why, for people; undefined: none. */
  get reason(): string | undefined {
    const { message, reason } = this.#accused ?? {};
    if (!message || !this.#window.has(message) || message.suspicion.alone === 0) return undefined;
    const { partition, offset, envelope } = message;
    return (
      `the connection is lost while only message ${partition}-${offset} is on it, of topic ` +
      `${envelope.topicName.slice(0, EXCERPT)}: it is tried again with nothing else on its way; ${reason}`
    );
  }
}

const isAnswer = ({ failureClass }: Failure) =>
  failureClass === FailureClass.UNAVAILABLE || failureClass === FailureClass.THROTTLED;
