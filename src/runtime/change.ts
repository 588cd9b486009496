/** Tells those who wait for the next change of something. While nobody waits it is free, though told for every message. */
export class Change {
  #next: PromiseWithResolvers<void> | undefined;

  /** Resolves at the next change. */
  next(): Promise<void> {
    this.#next ??= Promise.withResolvers<void>();
    return this.#next.promise;
  }

  tell(): void {
    this.#next?.resolve();
    this.#next = undefined;
  }
}
