/** A connection, by what it holds. */
interface Holder {
  /** It holds more than any other while there is too much: it has to end. */
  giveUp(): void;
}

/**
 * What the clients that are connected make this process hold, in bytes as they are in memory: packets that are not there yet,
 * wills, topic aliases, packet identifiers. When it becomes too much, whoever holds the most gives it up, so that those who
 * hold little, as nearly all do, notice nothing of one who holds much.
 */
export class Holdings {
  readonly #limit: number;
  readonly #held = new Map<Holder, number>();
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether a newcomer may hold so much. Those who are here already come first. */
  hasRoomFor(bytes: number): boolean {
    return this.#bytes + bytes <= this.#limit;
  }

  /** The holder holds so much from now on; 0: it is gone. It may have to give up within the call. */
  hold(holder: Holder, bytes: number): void {
    const before = this.#held.get(holder) ?? 0;
    if (bytes === before) return;
    if (bytes === 0) this.#held.delete(holder);
    else this.#held.set(holder, bytes);
    this.#bytes += bytes - before;
    if (bytes > before && this.#bytes > this.#limit) this.#makeRoom();
  }

  /** Some more than is needed now, so that not every byte that comes begins anew. */
  #makeRoom(): void {
    while (this.#bytes > this.#limit * 0.875) {
      let largest: Holder | undefined;
      let most = 0;
      for (const [holder, bytes] of this.#held) {
        if (bytes > most) [largest, most] = [holder, bytes];
      }
      if (largest === undefined) return;
      this.hold(largest, 0);
      largest.giveUp();
    }
  }
}
