import type { Clock } from './clock.ts';

/** Of one message, in a second: what strangers make this process say is not to fill its disk. */
const LINES = 100;
const SECOND = 1000;

/** Lets so many lines a second of each message through, and counts the others. */
export class LogRate {
  readonly #clock: Pick<Clock, 'monotonic'>;
  #begun = Number.NEGATIVE_INFINITY;
  #lines = new Map<string, number>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /** Whether a line of this message is written now. `leftOut` is told first of what was not, of each message. */
  admits(message: string, leftOut: (message: string, count: number) => void): boolean {
    const now = this.#clock.monotonic();
    if (now - this.#begun >= SECOND) {
      const over = this.#lines;
      this.#lines = new Map();
      this.#begun = now;
      for (const [earlier, lines] of over) if (lines > LINES) leftOut(earlier, lines - LINES);
    }
    const lines = (this.#lines.get(message) ?? 0) + 1;
    this.#lines.set(message, lines);
    return lines <= LINES;
  }
}
