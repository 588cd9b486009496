import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import type { Policy } from '../../src/executor/delivery/policy.ts';
import type { Cut, Failure, Outbound } from '../../src/executor/handlers/handler.ts';

/** The connection is lost, with all that is at the handler: for one message there, maybe so, or not. */
export type Cutting = `cuts ${Cut['isForOne']}`;

export const isCutting = (answer: string): answer is Cutting => answer.startsWith('cuts ');

/** What a handler tells of each message that was on a lost connection. */
export function failureOfCut(kind: Cutting, isShared: boolean): Failure {
  const isForOne = kind.slice('cuts '.length) as Cut['isForOne'];
  if (isForOne === 'surely' && !isShared)
    return { delivered: false, failureClass: FailureClass.REJECTED, reason: kind };
  const cut = { isShared, isForOne };
  return { delivered: false, failureClass: FailureClass.DISCONNECTED, reason: kind, cut };
}

/** Which messages must leave apart, by the connections that were lost with them. */
export class Losses {
  readonly #most: number;
  readonly #counts = new WeakMap<Outbound, number>();
  readonly #apart = new WeakSet<Outbound>();

  constructor({ strategy }: Policy) {
    this.#most = strategy === 'SKIP_ALL' ? 1 : 2;
  }

  /** Answers how many it were, with this one. */
  lost(message: Outbound, { cut }: Failure): number {
    const losses = (this.#counts.get(message) ?? 0) + 1;
    this.#counts.set(message, losses);
    const isMaybe = cut?.isForOne === 'maybe' && (!cut.isShared || losses >= this.#most);
    if (cut?.isForOne === 'surely' || isMaybe) this.#apart.add(message);
    return losses;
  }

  /** They failed in another way. */
  forget(messages: readonly Outbound[]): void {
    for (const message of messages) {
      this.#counts.delete(message);
      this.#apart.delete(message);
    }
  }

  isApart(message: Outbound): boolean {
    return this.#apart.has(message);
  }
}
