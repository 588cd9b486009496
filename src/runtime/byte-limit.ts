/** Bytes of messages that this process has in memory, from all sources. Beyond the limit, nobody takes more in. */
export class ByteLimit {
  readonly #limit: number;
  readonly #waiting = new Set<() => void>();
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get isFull(): boolean {
    return this.#bytes >= this.#limit;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  remove(bytes: number): void {
    this.#bytes -= bytes;
    if (this.isFull || this.#waiting.size === 0) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const callback of waiting) callback();
  }

  /** Calls back once, when bytes have left and there is room; asking again before that changes nothing. */
  whenFree(callback: () => void): void {
    this.#waiting.add(callback);
  }

  cancel(callback: () => void): void {
    this.#waiting.delete(callback);
  }
}
