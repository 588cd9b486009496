/**
 * Keeps the order within each key: of one lane only the head may be on its way; the next one follows when the head is
 * settled. Items without a key have no lane.
 */
export class Lanes<T extends { readonly key: string | null }> {
  /** The items behind each head that is on its way or waits for its turn. */
  readonly #behind = new Map<string, T[]>();
  #ready: T[] = [];
  /** Taken from the front of `#ready` and dropped now and then: shifting an array one by one is dear. */
  #taken = 0;
  #heads = 0;

  /** Items that may leave or have left: all but those behind another one of their lane. */
  get heads(): number {
    return this.#heads;
  }

  /** Items that may leave. */
  get ready(): number {
    return this.#ready.length - this.#taken;
  }

  add(item: T): void {
    if (item.key !== null) {
      const behind = this.#behind.get(item.key);
      if (behind) {
        behind.push(item);
        return;
      }
      this.#behind.set(item.key, []);
    }
    this.#heads++;
    this.#ready.push(item);
  }

  /** The item that `take` would answer. */
  get next(): T | undefined {
    return this.#ready[this.#taken];
  }

  /** The next item that may leave. */
  take(): T | undefined {
    const item = this.#ready[this.#taken];
    if (item === undefined) return undefined;
    this.#taken++;
    if (this.#taken === this.#ready.length) {
      this.#ready = [];
      this.#taken = 0;
    } else if (this.#taken > 1024) {
      this.#ready = this.#ready.slice(this.#taken);
      this.#taken = 0;
    }
    return item;
  }

  /** Puts a head back that was taken: it may leave again. */
  again(item: T): void {
    this.#ready.push(item);
  }

  /** The head that was taken is settled: the next of its lane may leave. */
  done(item: T): void {
    const next = item.key === null ? undefined : this.#behind.get(item.key)?.shift();
    if (next) {
      this.#ready.push(next);
      return;
    }
    this.#heads--;
    if (item.key !== null) this.#behind.delete(item.key);
  }
}
