import type { DeadLetterPosition } from '../page.ts';
import type { FoundDeadLetter } from './dead-letters.ts';

/** Bytes of a page, roughly: more end it early. With their envelopes decoded, they are twice as many. */
const MAX_BYTES = 1_500_000;

export interface KeptDeadLetter extends DeadLetterPosition {
  /** A copy of the record's value. */
  readonly value: Uint8Array;
  readonly redrivenTime: Date | undefined;
}

/** Of all that it is offered, the newest that fit on a page, before a position if one is given. */
export class NewestDeadLetters {
  readonly #size: number;
  readonly #before: DeadLetterPosition | undefined;
  /** The oldest first. */
  readonly #kept: KeptDeadLetter[] = [];
  #bytes = 0;
  /** Whether there are older ones among those that were offered. */
  isMore = false;
  /** How many were offered, those that do not fit too. */
  count = 0;

  constructor(size: number, before: DeadLetterPosition | undefined) {
    this.#size = size;
    this.#before = before;
  }

  /** The newest first. */
  get kept(): readonly KeptDeadLetter[] {
    return this.#kept.toReversed();
  }

  offer({ record, redrivenTime }: FoundDeadLetter): void {
    if (this.#before && compare(record, this.#before) >= 0) return;
    this.count++;
    const { partition, offset } = record;
    const value = new Uint8Array(record.value ?? []);
    // Nearly always the newest so far.
    const index = this.#kept.findLastIndex((other) => compare(other, record) < 0) + 1;
    this.#kept.splice(index, 0, { partition, offset, value, redrivenTime });
    this.#bytes += value.byteLength;
    while (this.#kept.length > this.#size || (this.#bytes > MAX_BYTES && this.#kept.length > 1)) {
      this.#bytes -= this.#kept.shift()?.value.byteLength ?? 0;
      this.isMore = true;
    }
  }
}

const compare = (a: DeadLetterPosition, b: DeadLetterPosition) =>
  a.offset - b.offset || a.partition - b.partition;
