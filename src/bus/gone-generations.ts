/** Keys that are remembered, at most. */
const MOST = 50_000;

/**
 * What is gone from downlink topics, by key: a record of it that was long on its way may come behind its tombstone, and is of
 * the past then. Of too many the first are forgotten, long after anything of them can come.
 */
export class GoneGenerations {
  readonly #generations = new Map<string, bigint>();

  note(key: string, generation: bigint): void {
    const known = this.of(key) ?? generation;
    this.#generations.delete(key);
    this.#generations.set(key, known > generation ? known : generation);
    if (this.#generations.size <= MOST) return;
    const [first] = this.#generations.keys();
    this.#generations.delete(first!);
  }

  /** The generation that is gone, and all before it; undefined: none that is known. */
  of(key: string): bigint | undefined {
    return this.#generations.get(key);
  }

  has(key: string, generation: bigint): boolean {
    const gone = this.of(key);
    return gone !== undefined && generation <= gone;
  }
}
