import type { Clock } from './clock.ts';

/**
 * Lets at most `most` pieces of work begin at a time; the others wait for their turn, in order. A piece keeps its place until
 * it ends, or for `hold` milliseconds: then it goes on without it, so that none waits for those that hang.
 */
export class Limit {
  #free: number;
  readonly #hold: number;
  readonly #clock: Pick<Clock, 'setTimer'>;
  readonly #waiting = new Set<() => void>();

  constructor(most: number, hold: number, clock: Pick<Clock, 'setTimer'>) {
    this.#free = most;
    this.#hold = hold;
    this.#clock = clock;
  }

  /** When the signal aborts before the turn comes, it rejects at once with its reason. */
  async run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await this.#turn(signal);
    using _place = this.#place();
    signal.throwIfAborted();
    return await work();
  }

  /** A place that was taken, until it is disposed or its time is over. */
  #place(): Disposable {
    let isFree = false;
    const free = () => {
      if (isFree) return;
      isFree = true;
      cancel();
      const [next] = this.#waiting;
      if (next) next();
      else this.#free++;
    };
    const cancel = this.#clock.setTimer(free, this.#hold);
    return { [Symbol.dispose]: free };
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#waiting.delete(go);
        reject(signal.reason);
      };
      const go = () => {
        this.#waiting.delete(go);
        signal.removeEventListener('abort', abort);
        resolve();
      };
      if (signal.aborted) return reject(signal.reason);
      this.#waiting.add(go);
      signal.addEventListener('abort', abort, { once: true });
    });
  }
}
