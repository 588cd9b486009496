/** Does one thing at a time, in the order of asking. */
export class OneByOne {
  readonly #urgent: (() => void)[] = [];
  readonly #waiting: (() => void)[] = [];
  #isBusy = false;
  #failure: { readonly error: unknown } | undefined;

  run<T>(work: () => Promise<T>): Promise<T> {
    return this.#inTurn(this.#waiting, work);
  }

  /** The same before what waits. When it fails, all that waits fails with it at once, and so does whatever comes. */
  runFirst<T>(work: () => Promise<T>): Promise<T> {
    return this.#inTurn(this.#urgent, async () => {
      try {
        return await work();
      } catch (error) {
        this.#failure = { error };
        throw error;
      }
    });
  }

  async #inTurn<T>(line: (() => void)[], work: () => Promise<T>): Promise<T> {
    if (this.#isBusy) await new Promise<void>((resolve) => line.push(resolve));
    this.#isBusy = true;
    try {
      if (this.#failure) throw this.#failure.error;
      return await work();
    } finally {
      // It stays busy for the next one, so that nobody comes in between.
      const next = this.#urgent.shift() ?? this.#waiting.shift();
      if (next) next();
      else this.#isBusy = false;
    }
  }
}
