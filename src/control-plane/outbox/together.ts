/** Work on many that come one by one: while it is done for some, the next ones gather. */
export class Together<T> {
  readonly #work: (all: readonly T[]) => Promise<void>;
  #waiting: T[] = [];
  #next: Promise<void> | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(work: (all: readonly T[]) => Promise<void>) {
    this.#work = work;
  }

  /** Resolves when it is done for these. */
  add(some: readonly T[]): Promise<void> {
    this.#waiting.push(...some);
    this.#next ??= this.#last.then(() => {
      const all = this.#waiting;
      this.#waiting = [];
      this.#next = undefined;
      const done = this.#work(all);
      this.#last = done.catch(() => {});
      return done;
    });
    return this.#next;
  }
}
