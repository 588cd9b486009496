/** What is in a list, between those that came before and after it. */
export interface Linked<T> {
  before: T | undefined;
  after: T | undefined;
}

/**
 * Items in the order they were added, each of one list. A Set would do but for the garbage: tables that it has outgrown keep
 * what was in them, and each the next one, until a full collection, and a full collection is dear.
 */
export class LinkedList<T extends Linked<T>> {
  #first: T | undefined;
  #last: T | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get first(): T | undefined {
    return this.#first;
  }

  has(item: T): boolean {
    return item.before !== undefined || this.#first === item;
  }

  /** Adds an item that is not in it. */
  add(item: T): void {
    item.before = this.#last;
    if (this.#last) this.#last.after = item;
    else this.#first = item;
    this.#last = item;
    this.#size++;
  }

  /** Takes an item out; answers whether it was in. It is linked to nothing any more. */
  delete(item: T): boolean {
    if (!this.has(item)) return false;
    const { before, after } = item;
    if (before) before.after = after;
    else this.#first = after;
    if (after) after.before = before;
    else this.#last = before;
    item.before = undefined;
    item.after = undefined;
    this.#size--;
    return true;
  }

  /** The item that is come to may be taken out meanwhile. */
  *[Symbol.iterator](): Generator<T> {
    for (let item = this.#first; item; ) {
      const { after }: Linked<T> = item;
      yield item;
      item = after;
    }
  }
}
