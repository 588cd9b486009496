import type { CancelTimer, Clock } from '../../runtime/clock.ts';

/** Between two reports, at least, in milliseconds. */
const PAUSE = 60_000;

/** Tells of what strangers can make happen often: at once, then once a minute at most, with how often it did. */
export class Occasional {
  readonly #clock: Clock;
  readonly #tell: (times: number) => void;
  #times = 0;
  #cancelTimer: CancelTimer | undefined;

  constructor(clock: Clock, tell: (times: number) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  happened(): void {
    this.#times++;
    if (!this.#cancelTimer) this.#report();
  }

  #report(): void {
    this.#cancelTimer = undefined;
    if (this.#times === 0) return;
    this.#tell(this.#times);
    this.#times = 0;
    this.#cancelTimer = this.#clock.setTimer(() => this.#report(), PAUSE, { unref: true });
  }
}
