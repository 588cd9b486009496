/** Does one thing at a time, in the order of asking; what is urgent comes before what waits. */
export class OneByOne {
  readonly #urgent: (() => void)[] = [];
  readonly #waiting: (() => void)[] = [];
  #isBusy = false;

  async run<T>(work: () => Promise<T>, isUrgent = false): Promise<T> {
    if (this.#isBusy) {
      await new Promise<void>((resolve) => (isUrgent ? this.#urgent : this.#waiting).push(resolve));
    }
    this.#isBusy = true;
    try {
      return await work();
    } finally {
      // It stays busy for the next one, so that nobody comes in between.
      const next = this.#urgent.shift() ?? this.#waiting.shift();
      if (next) next();
      else this.#isBusy = false;
    }
  }
}
