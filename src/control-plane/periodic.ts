import { type Backoff, backoffPause } from '../runtime/backoff.ts';
import type { Clock } from '../runtime/clock.ts';
import { withDeadline } from '../runtime/deadline.ts';
import { type Logger, messageOf } from '../runtime/logger.ts';

const FAILURE: Backoff = { initial: 200, max: 2000 };
/** How long a stop waits for the run that is going on, in milliseconds. */
const STOP_DEADLINE = 3000;
/** A run that takes longer is in trouble; in seconds. */
const LONG_RUN = 15;

export interface PeriodicOptions {
  /** What is done, for log lines: "publishing downlink records". */
  readonly name: string;
  /** The longest pause between two runs, in milliseconds; jitter takes up to half of it. */
  readonly interval: number;
  /** One run, of steps that can be repeated; between them it obeys the signal. Answer true when there is more to do at once. */
  work(signal: AbortSignal): Promise<boolean | undefined>;
}

export interface PeriodicDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

/** Work done over and over, one run at a time: after a failure sooner at first, then later and later, without end. */
export class Periodic implements AsyncDisposable {
  readonly #options: PeriodicOptions;
  readonly #deps: PeriodicDeps;
  readonly #stop = new AbortController();
  readonly #stopped: Promise<void>;
  #wake = Promise.withResolvers<void>();
  /** Why the last run failed. */
  #failure: string | undefined;
  /** When the run that is going on began. */
  #begun: number | undefined;

  constructor(options: PeriodicOptions, deps: PeriodicDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#stopped = this.#loop();
  }

  /** Runs at once; a run that is going on is followed by another. */
  wake(): void {
    this.#wake.resolve();
  }

  /** Why nothing comes of it at present: it fails, or a run takes too long. */
  trouble(): string | undefined {
    const { name } = this.#options;
    if (this.#failure !== undefined) return `${name}: ${this.#failure}`;
    const seconds = (this.#deps.clock.monotonic() - (this.#begun ?? Number.POSITIVE_INFINITY)) / 1000;
    return seconds > LONG_RUN ? `${name}: it has taken ${Math.floor(seconds)} s` : undefined;
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stop;
    let failures = 0;
    while (!signal.aborted) {
      this.#wake = Promise.withResolvers();
      let isMore: boolean | undefined = false;
      this.#begun = this.#deps.clock.monotonic();
      try {
        isMore = await this.#options.work(signal);
        if (failures > 0) this.#deps.logger.info(`${this.#options.name}: works again`);
        failures = 0;
        this.#failure = undefined;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        this.#failure = messageOf(error);
        if (failures === 1) this.#logFailure(error);
      }
      this.#begun = undefined;
      if (!isMore) await this.#pause(failures);
    }
  }

  #logFailure(error: unknown): void {
    this.#deps.logger.warn(`${this.#options.name}: failed; trying again until it works`, {
      why: messageOf(error),
    });
  }

  async #pause(failures: number): Promise<void> {
    const { clock, random } = this.#deps;
    const { interval } = this.#options;
    const pause =
      failures === 0 ? interval / 2 + (random() * interval) / 2 : backoffPause(FAILURE, failures, random());
    const over = new AbortController();
    const timer = clock.sleep(pause, AbortSignal.any([over.signal, this.#stop.signal])).catch(() => {});
    // A call of wake() shortens the wait for the next run, but not the pause after a failure.
    await (failures === 0 ? Promise.race([timer, this.#wake.promise]) : timer);
    over.abort();
  }

  /** Lets the run that is going on end, or stop after its step; a step that hangs is left alone. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { clock, logger } = this.#deps;
    this.#stop.abort();
    await withDeadline(clock, STOP_DEADLINE, this.#options.name, this.#stopped).catch((error) =>
      logger.warn('some work did not end in time: it will be done again', { why: messageOf(error) }),
    );
  }
}
