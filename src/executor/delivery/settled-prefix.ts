/**
 * The offsets of one partition that are taken in, and which of them are settled. Only the contiguous settled prefix may be
 * committed.
 */
export class SettledPrefix {
  /** Settled or not, from `#first` on; offsets that do not exist (removed by retention) count as settled. */
  #settled: boolean[] = [];
  /** Entries of `#settled` before this index are committable and are dropped now and then. */
  #start = 0;
  #first: number;

  /** @param next the offset of the first record to be taken in */
  constructor(next: number) {
    this.#first = next;
  }

  /** The offset of the next record to be taken in. */
  get next(): number {
    return this.#first + this.#settled.length;
  }

  /** The offset to resume at: everything before it is settled. */
  get committable(): number {
    return this.#first + this.#start;
  }

  /** The last offset that is settled. */
  get lastSettled(): number {
    return this.#first + this.#settled.lastIndexOf(true);
  }

  /** Takes an offset in, `next` or a later one. */
  take(offset: number): void {
    while (this.next < offset) this.#settled.push(true);
    this.#settled.push(false);
    this.#advance();
  }

  settle(offset: number): void {
    this.#settled[offset - this.#first] = true;
    this.#advance();
  }

  #advance(): void {
    while (this.#settled[this.#start]) this.#start++;
    if (this.#start < 4096) return;
    this.#settled = this.#settled.slice(this.#start);
    this.#first += this.#start;
    this.#start = 0;
  }
}
