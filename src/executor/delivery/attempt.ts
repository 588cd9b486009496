import { FailureClass } from '../../../gen/penstock/v1/envelope_pb.ts';
import type { Clock } from '../../runtime/clock.ts';
import { type Linked, LinkedList } from '../../runtime/linked-list.ts';
import { messageOf } from '../../runtime/logger.ts';
import type { Failure, Handler, Outbound, Outcome } from '../handlers/handler.ts';

/**
 * One call of a handler with a deadline. It ends once: with the handler's outcomes, also with those that it tells as soon as
 * the deadline has passed; or, when it tells none or breaks its promise, with the same failure for every message; or, when it
 * is cut, without any. A later answer is ignored.
 */
class Attempt implements Linked<Attempt> {
  before: Attempt | undefined;
  after: Attempt | undefined;
  readonly #abort = new AbortController();
  readonly #pack: readonly Outbound[];
  readonly #onEnd: (outcomes: readonly Outcome[] | undefined) => void;
  readonly #cancelDeadline: () => void;
  #isLate = false;
  #isOver = false;

  /** @param onEnd called once, not before the constructor has returned */
  constructor(
    handler: Handler,
    pack: readonly Outbound[],
    deadline: number,
    clock: Clock,
    onEnd: (outcomes: readonly Outcome[] | undefined) => void,
  ) {
    this.#pack = pack;
    this.#onEnd = onEnd;
    this.#cancelDeadline = clock.setTimer(() => this.#late(`no answer within ${deadline} ms`), deadline);
    answerOf(() => handler.deliver(pack, this.#abort.signal)).then(
      (outcomes) => this.#answered(outcomes),
      (error) => this.#fail(this.#isLate ? FailureClass.TIMEOUT : FailureClass.UNAVAILABLE, messageOf(error)),
    );
  }

  /** What becomes of it is of no interest any more. */
  cut(reason: string): void {
    if (!this.#isFirstEnd()) return;
    this.#abort.abort(new Error(reason));
    this.#onEnd(undefined);
  }

  /** What is delivered already, for all that the handler heard, stays so: it has this turn of the event loop to say it. */
  #late(reason: string): void {
    this.#isLate = true;
    this.#abort.abort(new Error(reason)); // it makes room before the next one begins
    setImmediate(() => this.#fail(FailureClass.TIMEOUT, reason));
  }

  #fail(failureClass: FailureClass, reason: string): void {
    if (!this.#isFirstEnd()) return;
    this.#abort.abort(new Error(reason));
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

/** The attempts that are on their way. */
export class Attempts {
  readonly #handler: Handler;
  readonly #deadline: number;
  readonly #clock: Clock;
  readonly #all = new LinkedList<Attempt>();
  #messages = 0;

  /** @param deadline of each, in milliseconds */
  constructor(handler: Handler, deadline: number, clock: Clock) {
    this.#handler = handler;
    this.#deadline = deadline;
    this.#clock = clock;
  }

  get size(): number {
    return this.#all.size;
  }

  /** In all of them together. */
  get messages(): number {
    return this.#messages;
  }

  /** @param onEnd called once, with the outcomes of the messages; without them, when it was cut */
  start(pack: readonly Outbound[], onEnd: (outcomes: readonly Outcome[] | undefined) => void): void {
    const attempt = new Attempt(this.#handler, pack, this.#deadline, this.#clock, (outcomes) => {
      this.#all.delete(attempt);
      this.#messages -= pack.length;
      onEnd(outcomes);
    });
    this.#all.add(attempt);
    this.#messages += pack.length;
  }

  cut(reason: string): void {
    for (const attempt of [...this.#all]) attempt.cut(reason);
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
