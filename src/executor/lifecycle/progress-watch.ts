import type { Clock } from '../../runtime/clock.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import { look, lookAtBacklog, lookInVain, newWatch, type Progress, type Watch } from './watchdog.ts';

/** How often one looks in the time without progress that is allowed; and how far apart, at most, in milliseconds. */
const LOOKS = 12;
const MAX_INTERVAL = 5000;

interface Watched {
  /** Messages that are in the topic and not settled. */
  readonly lag: number;
  readonly progress: Progress;
  /** Why a message last failed; empty: none did since one was delivered. */
  readonly lastFailure: string;
  /** Which message connections seem to be lost for; undefined: none. */
  readonly suspicion: string | undefined;
  /** How many messages Kafka has for it that were not taken yet. Rejects when Kafka does not tell. */
  backlog(): Promise<number>;
}

/** What is found, told with the reason, for people. */
export interface Findings {
  stalled(reason: string): void;
  resumed(): void;
  /** Connections seem to be lost for a message; undefined: for none any more. */
  suspected(reason: string | undefined): void;
  /** It gets no messages although there are some. */
  silent(reason: string): void;
}

interface Deps {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Watches the progress of a running integration, until it is disposed. */
export class ProgressWatch implements Disposable {
  /** Why it makes no progress; undefined: it does, or has nothing to do. */
  stalledReason: string | undefined;
  readonly #watched: Watched;
  readonly #timeout: number;
  readonly #findings: Findings;
  readonly #deps: Deps;
  #watch: Watch;
  /** Which message connections seem to be lost for, as last told; undefined: none. */
  #suspicion: string | undefined;
  #cancel = () => {};
  #isOver = false;

  /** @param timeout how long messages may wait without one being acknowledged, in milliseconds */
  constructor(watched: Watched, timeout: number, findings: Findings, deps: Deps) {
    this.#watched = watched;
    this.#timeout = timeout;
    this.#findings = findings;
    this.#deps = deps;
    this.#watch = newWatch(watched.progress, deps.clock.monotonic());
    this.#next();
  }

  #next(): void {
    const interval = Math.min(MAX_INTERVAL, this.#timeout / LOOKS);
    this.#cancel = this.#deps.clock.setTimer(async () => {
      await this.#look();
      if (!this.#isOver) this.#next();
    }, interval);
  }

  async #look(): Promise<void> {
    const { progress } = this.#watched;
    const { watch, finding } = look(this.#watch, progress, this.#deps.clock.monotonic(), this.#timeout);
    this.#watch = watch;
    if (finding === 'stalled') this.#stalled(this.#whyStalled());
    else if (finding === 'resumed') {
      this.stalledReason = undefined;
      this.#suspicion = this.#watched.suspicion;
      this.#findings.resumed();
    } else if (finding === 'idle') await this.#lookAtKafka(progress);
    this.#lookForSuspects();
  }

  #lookForSuspects(): void {
    const { suspicion } = this.#watched;
    if (this.#isOver || this.stalledReason !== undefined || suspicion === this.#suspicion) return;
    this.#suspicion = suspicion;
    this.#findings.suspected(suspicion);
  }

  #stalled(reason: string): void {
    this.stalledReason = reason;
    this.#findings.stalled(reason);
  }

  async #lookAtKafka(before: Progress): Promise<void> {
    const { clock, logger } = this.#deps;
    const answer = await this.#watched.backlog().catch((error: unknown) => ({ error }));
    if (this.#isOver || this.#watched.progress.taken !== before.taken) return;
    if (typeof answer !== 'number') {
      const why = messageOf(answer.error);
      logger.debug('whether messages wait in Kafka is not known', { why });
      this.#lookedInVain(why);
      return;
    }
    const { watch, isSilent } = lookAtBacklog(this.#watch, answer, clock.monotonic());
    this.#watch = watch;
    if (isSilent) this.#findings.silent(`${answer} messages wait in Kafka and none comes: started anew`);
  }

  #lookedInVain(why: string): void {
    const { lag } = this.#watched;
    const now = this.#deps.clock.monotonic();
    const { watch, isStalled } = lookInVain(this.#watch, lag, now, this.#timeout);
    this.#watch = watch;
    if (!isStalled) return;
    const what = lag > 0 ? `${lag} messages wait in Kafka and do not come` : 'Kafka gives no messages';
    this.#stalled(`${what}: ${why}`);
  }

  #whyStalled(): string {
    const { clock } = this.#deps;
    const { lag, lastFailure, progress } = this.#watched;
    const since = new Date(clock.now() - (clock.monotonic() - this.#watch.unsettledSince)).toISOString();
    const error = lastFailure === '' ? '' : `; last error: ${lastFailure}`;
    return `no message was acknowledged since ${since}; ${Math.max(lag, progress.inFlight)} wait${error}`;
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#cancel();
  }
}
