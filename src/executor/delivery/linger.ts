import type { CancelTimer, Clock } from '../../runtime/clock.ts';

/** How long a pack that is not full waits for more messages, from the first time that it might have left. */
export class Linger {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #onOver: () => void;
  #cancel: CancelTimer | undefined;
  #isOver = false;

  /** @param ms 0: not at all */
  constructor(clock: Clock, ms: number, onOver: () => void) {
    this.#clock = clock;
    this.#ms = ms;
    this.#onOver = onOver;
  }

  /** Whether the pack may leave: then the waiting of the next one begins anew. Otherwise `onOver` is called when it may. */
  isOver(isFull: boolean): boolean {
    if (this.#ms === 0) return true;
    if (isFull || this.#isOver) {
      this.end();
      return true;
    }
    this.#cancel ??= this.#clock.setTimer(() => {
      this.#isOver = true;
      this.#onOver();
    }, this.#ms);
    return false;
  }

  end(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#isOver = false;
  }
}
