/** A set of small numbers, in one bit each: thousands of watchers remember what they sent. */
export class Bits {
  #words = new Uint32Array(4);
  #size = 0;

  has(n: number): boolean {
    const word = n >>> 5;
    return word < this.#words.length && ((this.#words[word]! >>> (n & 31)) & 1) === 1;
  }

  add(n: number): void {
    if (this.has(n)) return;
    const word = n >>> 5;
    if (word >= this.#words.length) {
      const grown = new Uint32Array(Math.max(word + 1, this.#words.length * 2));
      grown.set(this.#words);
      this.#words = grown;
    }
    this.#words[word]! |= 1 << (n & 31);
    this.#size++;
  }

  /** Whether it was there. */
  delete(n: number): boolean {
    if (!this.has(n)) return false;
    this.#words[n >>> 5]! &= ~(1 << (n & 31));
    this.#size--;
    return true;
  }

  /** Up to so many of them, the lowest first, which are there no more. */
  take(most: number): number[] {
    const taken: number[] = [];
    for (let word = 0; this.#size > 0 && taken.length < most; word++) {
      while (this.#words[word] !== 0 && taken.length < most) {
        const n = word * 32 + 31 - Math.clz32(this.#words[word]! & -this.#words[word]!);
        this.delete(n);
        taken.push(n);
      }
    }
    return taken;
  }
}
