import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { DELIVERED, heldBy, type Outcome } from '../../src/executor/handlers/handler.ts';

/** What the external system does with one message of a call. */
export interface Plan {
  readonly outcome: 'delivered' | FailureClass;
  /** After so many milliseconds. */
  readonly delay: number;
  readonly retryAfter?: number | undefined;
  /** Takes effect also when the caller has given up or died. */
  readonly stubborn: boolean;
}

const BEHIND = {
  delivered: false,
  failureClass: FailureClass.UNAVAILABLE,
  reason: 'one before it failed',
} as const;

/** Messages of one key at a handler that takes runs: they arrive in order, and none behind one that may be tried again. */
export class Chain {
  /** Of which the engine knows that one is tried again. */
  isStalled = false;
  #links = 0;
  #open = 0;
  /** When the last of them arrives. */
  #until = 0;
  #brokenAt = Number.POSITIVE_INFINITY;

  /** The place of the next message. `onLast` is called when none is left at the handler. */
  link(onLast: () => void = () => {}) {
    const place = this.#links++;
    this.#open++;
    let hasEnded = false;
    const isBroken = () => this.#brokenAt < place;
    return {
      isBroken,
      /** When it arrives that would have at `at`. */
      due: (at: number) => {
        this.#until = Math.max(this.#until, at);
        return this.#until;
      },
      /** It does not arrive. */
      break: () => {
        this.#brokenAt = Math.min(this.#brokenAt, place);
      },
      outcomeOf(plan: Plan): Outcome {
        if (isBroken()) return plan.stubborn ? heldBy(BEHIND) : BEHIND;
        return outcomeOf(plan);
      },
      end: (isTriedAgain: boolean) => {
        if (hasEnded) return;
        hasEnded = true;
        this.isStalled ||= isTriedAgain;
        this.#open--;
        if (this.#open === 0) onLast();
      },
    };
  }
}

export function outcomeOf({ outcome, retryAfter }: Plan): Outcome {
  if (outcome === 'delivered') return DELIVERED;
  return {
    delivered: false,
    failureClass: outcome,
    reason: 'planned',
    ...(retryAfter === undefined ? {} : { retryAfter }),
  };
}
