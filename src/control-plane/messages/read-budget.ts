import type { Clock } from '../../runtime/clock.ts';

const SECOND = 1000;

/** What may be read in a second: records, and bytes of them. */
export interface ReadRate {
  readonly records: number;
  readonly bytes: number;
}

/** What one of several that read may read in a second: an equal share of what all may. */
export class ReadBudget {
  readonly #share: () => ReadRate;
  readonly #clock: Pick<Clock, 'monotonic'>;
  #begun = Number.NEGATIVE_INFINITY;
  #records = 0;
  #bytes = 0;

  constructor(share: () => ReadRate, clock: Pick<Clock, 'monotonic'>) {
    this.#share = share;
    this.#clock = clock;
  }

  /** Whether a record of so many bytes may be read now. The first of a second always may. */
  spend(bytes: number): boolean {
    const now = this.#clock.monotonic();
    if (now - this.#begun >= SECOND) {
      this.#begun = now;
      this.#records = 0;
      this.#bytes = 0;
    }
    const share = this.#share();
    const isFirst = this.#records === 0;
    if (!isFirst && (this.#records >= share.records || this.#bytes + bytes > share.bytes)) return false;
    this.#records++;
    this.#bytes += bytes;
    return true;
  }

  /** Milliseconds until there is something to spend again. */
  get wait(): number {
    return Math.max(1, this.#begun + SECOND - this.#clock.monotonic());
  }
}
