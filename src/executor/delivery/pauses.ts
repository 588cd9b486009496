import type { CancelTimer, Clock } from '../../runtime/clock.ts';
import type { InFlight } from './window.ts';

/** Messages that wait for their next try. */
export class Pauses {
  readonly #clock: Clock;
  readonly #waiting = new Map<InFlight, CancelTimer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(message: InFlight, ms: number, onOver: () => void): void {
    const cancel = this.#clock.setTimer(() => {
      this.#waiting.delete(message);
      onOver();
    }, ms);
    this.#waiting.set(message, cancel);
  }

  /** Ends the waiting of those that it is true of, and answers them. */
  cut(isOver: (message: InFlight) => boolean): readonly InFlight[] {
    const cut = [...this.#waiting.keys()].filter(isOver);
    for (const message of cut) {
      this.#waiting.get(message)?.();
      this.#waiting.delete(message);
    }
    return cut;
  }
}
