import { type CancelTimer, type Clock, sleepOn } from '../../src/runtime/clock.ts';

interface Timer {
  readonly due: number;
  readonly callback: () => void;
}

/** Time that moves only when it is told to, for code that awaits: between two timers every promise settles that can. */
export class FakeClock implements Clock {
  #elapsed = 0;
  /** By due time; of the same time, the one that was set first comes first. */
  readonly #timers: Timer[] = [];
  readonly #start: number;

  constructor(start = Date.UTC(2030, 0)) {
    this.#start = start;
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#timers.length;
  }

  now(): number {
    return this.#start + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  lease(): number {
    return this.#elapsed;
  }

  setTimer(callback: () => void, ms: number): CancelTimer {
    const timer = { due: this.#elapsed + Math.max(1, Math.trunc(ms)), callback }; // as Node does
    let at = this.#timers.length;
    while (at > 0 && this.#timers[at - 1]!.due > timer.due) at--;
    this.#timers.splice(at, 0, timer);
    return () => {
      const index = this.#timers.indexOf(timer);
      if (index >= 0) this.#timers.splice(index, 1);
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  /**
   * Moves on, and calls what falls due on the way in its order; `afterEach` is called after each timer, once promises have
   * settled. Ends early when `afterEach` answers true.
   */
  async advance(ms: number, afterEach: () => unknown = () => {}): Promise<void> {
    const end = this.#elapsed + ms;
    await settled();
    for (let next = this.#timers[0]; next && next.due <= end; next = this.#timers[0]) {
      this.#timers.shift();
      this.#elapsed = next.due;
      next.callback();
      await settled();
      if (afterEach() === true) return;
    }
    this.#elapsed = end;
  }
}

/** Lets every promise settle that waits for nothing but other promises. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
