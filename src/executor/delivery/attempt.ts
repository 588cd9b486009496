import { FailureClass } from '../../../gen/penstock/v1/envelope_pb.ts';
import type { Clock } from '../../runtime/clock.ts';
import { messageOf } from '../../runtime/logger.ts';
import type { Failure, Handler, Outbound, Outcome } from '../handlers/handler.ts';

/**
 * One call of a handler with a deadline. It ends once: with the handler's outcomes, or, when the deadline passes, the
 * handler breaks its promise, or the attempt is cut, with the same failure for every message. A later answer is ignored.
 */
export class Attempt {
  readonly outcomes: Promise<readonly Outcome[]>;
  readonly #end: (outcomes: readonly Outcome[]) => void;
  readonly #abort = new AbortController();
  readonly #pack: readonly Outbound[];

  constructor(handler: Handler, pack: readonly Outbound[], deadline: number, clock: Clock) {
    const { promise, resolve } = Promise.withResolvers<readonly Outcome[]>();
    this.outcomes = promise;
    this.#pack = pack;
    const cancel = clock.setTimer(
      () => this.#fail(FailureClass.TIMEOUT, `no answer within ${deadline} ms`),
      deadline,
    );
    this.#end = (outcomes) => {
      cancel();
      resolve(outcomes);
    };
    const deliver = async () => handler.deliver(pack, this.#abort.signal);
    deliver().then(this.#end, (error) => this.#fail(FailureClass.UNAVAILABLE, messageOf(error)));
  }

  cut(reason: string): void {
    this.#fail(FailureClass.DISCONNECTED, reason);
  }

  #fail(failureClass: FailureClass, reason: string): void {
    const failure: Failure = { delivered: false, failureClass, reason };
    this.#end(this.#pack.map(() => failure));
    this.#abort.abort(new Error(reason));
  }
}
