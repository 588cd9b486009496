/** A message on its way to Kafka. */
export interface OnItsWay {
  readonly stored: Promise<number>;
}

/** As many packet identifiers as these are kept one by one; more become bits. */
const FEW = 128;
/** What one takes in a `Set` or `Map`, about, in bytes. */
const ENTRY_BYTES = 64;
/** A bit for each packet identifier. */
const BITMAP_BYTES = 8192;

/** The messages of QoS 2 that a client has not released, by packet identifier: on their way to Kafka, or stored. */
export class Received {
  readonly #onTheirWay = new Map<number, OnItsWay>();
  readonly #few = new Set<number>();
  #many: Uint8Array | undefined;
  #stored = 0;
  #earlier: Promise<void> | undefined;

  get size(): number {
    return this.#onTheirWay.size + this.#stored;
  }

  /** Ends when all has arrived, or has not, that was sent before its lane was refused; undefined: nothing is on its way. */
  get earlier(): Promise<void> | undefined {
    return this.#earlier;
  }

  /** What it keeps in memory once all are stored: a client may use every identifier, and never release one. */
  get bytes(): number {
    return this.#many || this.size > FEW ? BITMAP_BYTES : this.size * ENTRY_BYTES;
  }

  /** The lane of what is on its way was refused: what is sent in the next one must not pass it. */
  leaveBehind(): void {
    if (this.#onTheirWay.size === 0) return;
    const stored = [...this.#onTheirWay.values()].map((one) => one.stored);
    const earlier = Promise.allSettled(stored).then(() => {
      if (this.#earlier === earlier) this.#earlier = undefined;
    });
    this.#earlier = earlier;
  }

  get(packetId: number): OnItsWay | 'stored' | undefined {
    return this.#onTheirWay.get(packetId) ?? (this.#isStored(packetId) ? 'stored' : undefined);
  }

  set(packetId: number, state: OnItsWay | 'stored'): void {
    if (state === 'stored') {
      this.#onTheirWay.delete(packetId);
      this.#store(packetId);
    } else {
      this.delete(packetId); // another message may be stored by this identifier
      this.#onTheirWay.set(packetId, state);
    }
  }

  delete(packetId: number): void {
    this.#onTheirWay.delete(packetId);
    if (!this.#isStored(packetId)) return;
    this.#stored--;
    this.#few.delete(packetId);
    if (this.#many) this.#many[packetId >> 3]! &= ~(1 << (packetId & 7));
    if (this.#stored === 0) this.#many = undefined;
  }

  #isStored(packetId: number): boolean {
    if (this.#many) return (this.#many[packetId >> 3]! & (1 << (packetId & 7))) !== 0;
    return this.#few.has(packetId);
  }

  #store(packetId: number): void {
    if (this.#isStored(packetId)) return;
    this.#stored++;
    if (!this.#many && this.#few.size < FEW) {
      this.#few.add(packetId);
      return;
    }
    const many = this.#many ?? new Uint8Array(BITMAP_BYTES);
    for (const id of [...this.#few, packetId]) many[id >> 3]! |= 1 << (id & 7);
    this.#many = many;
    this.#few.clear();
  }
}
