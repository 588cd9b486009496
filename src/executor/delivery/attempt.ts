import { FailureClass } from '../../../gen/penstock/v1/envelope_pb.ts';
import type { Clock } from '../../runtime/clock.ts';
import { messageOf } from '../../runtime/logger.ts';
import type { Failure, Handler, Outbound, Outcome } from '../handlers/handler.ts';

/**
 * One call of a handler with a deadline. It ends once: with the handler's outcomes, or, when the deadline passes, the
 * handler breaks its promise, or the attempt is cut, with the same failure for every message. A later answer is ignored.
 */
export class Attempt {
  readonly #abort = new AbortController();
  readonly #pack: readonly Outbound[];
  readonly #onEnd: (outcomes: readonly Outcome[]) => void;
  readonly #cancelDeadline: () => void;
  #isOver = false;

  /** @param onEnd called once, not before the constructor has returned */
  constructor(
    handler: Handler,
    pack: readonly Outbound[],
    deadline: number,
    clock: Clock,
    onEnd: (outcomes: readonly Outcome[]) => void,
  ) {
    this.#pack = pack;
    this.#onEnd = onEnd;
    this.#cancelDeadline = clock.setTimer(
      () => this.#fail(FailureClass.TIMEOUT, `no answer within ${deadline} ms`),
      deadline,
    );
    answerOf(() => handler.deliver(pack, this.#abort.signal)).then(
      (outcomes) => this.#answered(outcomes),
      (error) => this.#fail(FailureClass.UNAVAILABLE, messageOf(error)),
    );
  }

  cut(reason: string): void {
    this.#fail(FailureClass.DISCONNECTED, reason);
  }

  #fail(failureClass: FailureClass, reason: string): void {
    if (!this.#isFirstEnd()) return;
    this.#abort.abort(new Error(reason)); // it makes room before the next one begins
    const failure: Failure = { delivered: false, failureClass, reason };
    this.#onEnd(this.#pack.map(() => failure));
  }

  #answered(outcomes: readonly Outcome[]): void {
    if (this.#isFirstEnd()) this.#onEnd(outcomes);
  }

  #isFirstEnd(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#cancelDeadline();
    return true;
  }
}

/** A handler that throws instead of rejecting breaks its promise like any other. */
function answerOf<T>(deliver: () => Promise<T>): Promise<T> {
  try {
    return deliver();
  } catch (error) {
    return Promise.reject(error);
  }
}
