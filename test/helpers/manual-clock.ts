import { type CancelTimer, type Clock, sleepOn } from '../../src/runtime/clock.ts';

/** Time that stands still until it is advanced. */
export class ManualClock implements Clock {
  #time = 0;
  readonly #timers = new Set<{ readonly due: number; readonly callback: () => void }>();

  /** How many timers are set. */
  get timers(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#time;
  }

  monotonic(): number {
    return this.#time;
  }

  lease(): number {
    return this.#time;
  }

  setTimer(callback: () => void, ms: number): CancelTimer {
    const timer = { due: this.#time + ms, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  /** Moves on, and calls what falls due on the way, in its order. */
  advance(ms: number): void {
    const end = this.#time + ms;
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#time = next.due;
      this.#timers.delete(next);
      next.callback();
    }
    this.#time = end;
  }

  #next(end: number) {
    return [...this.#timers].filter(({ due }) => due <= end).sort((a, b) => a.due - b.due)[0];
  }
}
