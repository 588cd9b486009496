/** How many are called in one turn of the event loop. */
const CALLS = 16;

/**
 * Connections that have more to handle than they may at once: each goes on when those before it have, and in between the
 * event loop sees what has come from all the others. So nobody waits for long behind those who send much.
 */
export class Turns {
  readonly #waiting = new Set<() => void>();
  #isScheduled = false;

  /** Calls back once, in its turn; asking again before that changes nothing. */
  wait(callback: () => void): void {
    this.#waiting.add(callback);
    this.#schedule();
  }

  cancel(callback: () => void): void {
    this.#waiting.delete(callback);
  }

  #schedule(): void {
    if (this.#isScheduled || this.#waiting.size === 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#callSome();
      this.#schedule();
    });
  }

  /** Who asks again meanwhile is behind all others. */
  #callSome(): void {
    let left = Math.min(CALLS, this.#waiting.size);
    for (const callback of this.#waiting) {
      if (left-- === 0) return;
      this.#waiting.delete(callback);
      callback();
    }
  }
}
