import type { OffsetRange, Position, SettledAhead } from '../../bus/bus.ts';

/**
 * The offsets of one partition that are taken in, and which of them are settled. Only the contiguous settled prefix may be
 * committed; what is settled ahead of it is remembered beside it, so that whoever goes on from there leaves it alone.
 */
export class SettledPrefix {
  /**
   * Settled or not, from `#first` on; offsets that do not exist (removed by retention) count as settled. From `#next` on it
   * is what was settled before the partition was taken over.
   */
  #settled: boolean[] = [];
  /** Entries of `#settled` before this index are committable and are dropped now and then. */
  #start = 0;
  #first: number;
  #next: number;
  /** Of the entries from `#start` on, so many are settled, in so many ranges behind one that is not. */
  #ahead = 0;
  #ranges = 0;
  /** The latest timestamp of a record that was seen, by whoever had the partition; and of those seen by others alone. */
  #latest: number;
  readonly #remembered: number;

  /** @param position up to where everything is settled, and what is ahead of it */
  constructor({ offset, ahead }: Position) {
    this.#first = offset;
    this.#next = offset;
    this.#remembered = ahead?.latest ?? 0;
    this.#latest = this.#remembered;
    for (const { start, end } of ahead?.ranges ?? []) {
      while (this.#end < start) this.#settled.push(false);
      while (this.#end < end) this.#settled.push(true);
    }
    this.#count();
  }

  get #end(): number {
    return this.#first + this.#settled.length;
  }

  /** The offset of the next record to be taken in. */
  get next(): number {
    return this.#next;
  }

  /** The offset to resume at: everything before it is settled. */
  get committable(): number {
    return this.#first + this.#start;
  }

  /** How many offsets are settled beyond that one. */
  get ahead(): number {
    return this.#ahead;
  }

  /** In how many ranges they are. */
  get ranges(): number {
    return this.#ranges;
  }

  get position(): Position {
    if (this.#ahead === 0) return { offset: this.committable };
    const ahead: SettledAhead = { ranges: [...this.#rangesAhead()], latest: this.#latest };
    return { offset: this.committable, ahead };
  }

  /** The last offset taken in that is settled. */
  get lastSettled(): number {
    const taken = this.#next - this.#first;
    return this.#first + (taken > 0 ? this.#settled.lastIndexOf(true, taken - 1) : -1);
  }

  /** How many of the offsets from `next` to this one are not settled. */
  missing(offset: number): number {
    if (offset === this.#next) return 0;
    const known = this.#settled.slice(this.#next - this.#first, offset - this.#first);
    return offset - this.#next - known.filter((isSettled) => isSettled).length;
  }

  /**
   * Whether the record at an offset, `next` or a later one, was settled before the partition was taken over. One that is
   * later than all that were read by then has come to its offset since, in a topic that was made anew or cut short: then
   * nothing of what is remembered counts.
   */
  isSettled(offset: number, timestamp: number): boolean {
    const index = offset - this.#first;
    const isSettled = index < this.#settled.length && this.#settled[index] === true;
    if (timestamp > this.#latest) this.#latest = timestamp;
    if (!isSettled || timestamp <= this.#remembered) return isSettled;
    this.#settled.length = this.#next - this.#first;
    this.#count();
    return false;
  }

  /** Takes an offset in, `next` or a later one. */
  take(offset: number): void {
    if (offset > this.#next) this.#skipTo(offset);
    if (offset === this.#end) this.#settled.push(false);
    this.#next = offset + 1;
    this.#advance();
  }

  settle(offset: number): void {
    const index = offset - this.#first;
    if (index < this.#start || this.#settled[index]) return;
    this.#mark(index);
    this.#advance();
  }

  /** What is between does not exist. */
  #skipTo(offset: number): void {
    if (this.committable === this.#next) {
      this.#settled = this.#settled.slice(offset - this.#first); // it may be very much
      this.#first = offset;
      this.#start = 0;
      this.#next = offset;
      this.#count();
      return;
    }
    for (let index = this.#next - this.#first; index < offset - this.#first; index++) {
      if (!this.#settled[index]) this.#mark(index);
    }
    this.#next = offset;
  }

  #mark(index: number): void {
    const isFirst = index === this.#start;
    const before = isFirst || this.#settled[index - 1] === true ? 1 : 0;
    const after = this.#settled[index + 1] === true ? 1 : 0;
    this.#settled[index] = true;
    this.#ahead++;
    this.#ranges += 1 - before - after;
  }

  #advance(): void {
    const taken = this.#next - this.#first;
    while (this.#start < taken && this.#settled[this.#start]) {
      this.#start++;
      this.#ahead--;
    }
    if (this.#start < 4096) return;
    this.#settled = this.#settled.slice(this.#start);
    this.#first += this.#start;
    this.#start = 0;
  }

  #count(): void {
    this.#ahead = this.#settled.reduce(
      (sum, isSettled, index) => sum + (isSettled && index >= this.#start ? 1 : 0),
      0,
    );
    const ranges = [...this.#rangesAhead()];
    this.#ranges = ranges.filter(({ start }) => start > this.committable).length;
  }

  *#rangesAhead(): Generator<OffsetRange> {
    for (let end = this.#start; end < this.#settled.length; ) {
      const start = this.#settled.indexOf(true, end);
      if (start < 0) return;
      const next = this.#settled.indexOf(false, start);
      end = next < 0 ? this.#settled.length : next;
      yield { start: this.#first + start, end: this.#first + end };
    }
  }
}
