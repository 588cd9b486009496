/** A message on its way to Kafka. */
export interface OnItsWay {
  readonly stored: Promise<number>;
}

/** A message that is not there for all who want it. */
export interface Partly {
  readonly digest: number;
  /** The topics that have it. */
  readonly there: Set<string>;
}

/** As many packet identifiers as these are kept one by one; more become bits. */
const FEW = 128;
/** What one takes in a `Set` or `Map`, about, in bytes. */
const ENTRY_BYTES = 64;
/** A bit for each packet identifier. */
const BITMAP_BYTES = 8192;
/** What is known of a message that some topics have, and of each of these, about. */
const PARTLY_BYTES = 400;
const TOPIC_BYTES = 32;

const bytesOf = ({ there }: Partly) => PARTLY_BYTES + TOPIC_BYTES * there.size;

/** The messages of QoS 2 that a client has not released, by packet identifier: on their way to Kafka, or stored. */
export class Received {
  readonly #onTheirWay = new Map<number, OnItsWay>();
  readonly #few = new Set<number>();
  #many: Uint8Array | undefined;
  /** What comes again; the same packet identifier may stand for another message, when that does not. */
  readonly #partly = new Map<number, Partly>();
  #partlyBytes = 0;
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
    return this.#partlyBytes + (this.#many || this.size > FEW ? BITMAP_BYTES : this.size * ENTRY_BYTES);
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

  /** Takes out which topics have a message already; none of another message. */
  takeThere(packetId: number, isDup: boolean, digest: number): Set<string> {
    const partly = this.#partly.get(packetId);
    if (!partly) return new Set();
    this.#partly.delete(packetId);
    this.#partlyBytes -= bytesOf(partly);
    return isDup && partly.digest === digest ? partly.there : new Set();
  }

  /** The message comes again, and not to these. */
  setThere(packetId: number, partly: Partly): void {
    if (partly.there.size === 0) return;
    this.#partly.set(packetId, partly);
    this.#partlyBytes += bytesOf(partly);
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
