import type { FailureClass } from '../../../gen/penstock/v1/envelope_pb.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { Reporter, Subject } from './reporter.ts';

const MINUTE = 60_000;
/** Failures of one kind within this time share a report. */
const COLLECT = 1000;

export interface ErrorDetails {
  readonly failureClass: FailureClass;
  readonly message: string;
  readonly topicName: string;
  readonly givenUp: boolean;
}

interface Deps {
  readonly reporter: Pick<Reporter, 'tell'>;
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, 'suppressed'>;
}

/**
 * Reports the failures of one integration without flooding anybody: those of one kind within a second share a report that
 * says how many they were, and in a minute at most `limit` reports leave; what is beyond is counted into the next one.
 */
export class ErrorReports {
  readonly #subject: () => Subject;
  readonly #limit: number;
  readonly #deps: Deps;
  readonly #collected = new Map<string, { readonly last: ErrorDetails; readonly count: number }>();
  #windowStart = Number.NEGATIVE_INFINITY;
  #sent = 0;
  #cancel: (() => void) | undefined;

  constructor(subject: () => Subject, limit: number, deps: Deps) {
    this.#subject = subject;
    this.#limit = limit;
    this.#deps = deps;
  }

  report(details: ErrorDetails): void {
    const kind = `${details.failureClass}/${details.givenUp}`;
    const count = (this.#collected.get(kind)?.count ?? 0) + 1;
    this.#collected.set(kind, { last: details, count });
    this.#cancel ??= this.#deps.clock.setTimer(() => this.flush(), COLLECT);
  }

  /** Sends what is collected, as far as the limit lets it. */
  flush(): void {
    const { reporter, clock } = this.#deps;
    this.#cancel?.();
    this.#cancel = undefined;
    const now = clock.monotonic();
    if (now - this.#windowStart >= MINUTE) {
      this.#windowStart = now;
      this.#sent = 0;
    }
    for (const [kind, { last, count }] of this.#collected) {
      if (this.#sent >= this.#limit) break;
      this.#sent++;
      this.#collected.delete(kind);
      reporter.tell(this.#subject(), { case: 'error', value: { ...last, count: BigInt(count) } });
    }
    if (this.#collected.size > 0) {
      this.#cancel = clock.setTimer(() => this.flush(), Math.max(COLLECT, this.#windowStart + MINUTE - now));
    }
  }

  /** Sends the rest, as far as the limit lets it; what is beyond is only counted. */
  stop(): void {
    this.flush();
    this.#cancel?.();
    this.#deps.metrics.suppressed.inc({ kind: 'error' }, this.#collected.size);
    this.#collected.clear();
  }
}
