import type { Clock } from './clock.ts';

const MINUTE = 60_000;

/** So much at once, and so much a minute from then on. */
export interface Rate {
  readonly atOnce: number;
  readonly perMinute: number;
}

/** What is left of a rate. */
export class Bucket {
  readonly #rate: Rate;
  readonly #clock: Pick<Clock, 'monotonic'>;
  #left: number;
  #at: number;

  constructor(rate: Rate, clock: Pick<Clock, 'monotonic'>) {
    this.#rate = rate;
    this.#clock = clock;
    this.#left = rate.atOnce;
    this.#at = clock.monotonic();
  }

  /** How many milliseconds from now one more is let through; 0: now. */
  get wait(): number {
    this.#fill();
    return this.#left >= 1 ? 0 : Math.ceil(((1 - this.#left) * MINUTE) / this.#rate.perMinute);
  }

  get isFull(): boolean {
    this.#fill();
    return this.#left >= this.#rate.atOnce;
  }

  /** Whether this one is let through. */
  take(): boolean {
    if (this.wait > 0) return false;
    this.#left--;
    return true;
  }

  refill(): void {
    this.#left = this.#rate.atOnce;
  }

  #fill(): void {
    const now = this.#clock.monotonic();
    const more = ((now - this.#at) * this.#rate.perMinute) / MINUTE;
    this.#left = Math.min(this.#rate.atOnce, this.#left + more);
    this.#at = now;
  }
}

/** A rate for each of many, such as callers: those that asked last are remembered. */
export class RateLimit {
  readonly #rate: Rate;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #most: number;
  /** The one that asked longest ago first. */
  readonly #buckets = new Map<string, Bucket>();

  /** @param most so many are remembered; of more, the one that asked longest ago begins anew */
  constructor(rate: Rate, clock: Pick<Clock, 'monotonic'>, most = 10_000) {
    this.#rate = rate;
    this.#clock = clock;
    this.#most = most;
  }

  /** How many are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  /**
   * 0: this one is let through. Otherwise how many milliseconds from now one will be; it takes nothing then.
   * @param keys whose rates it must keep, all of them: such as a name and an address
   */
  take(...keys: readonly string[]): number {
    const buckets = [...new Set(keys)].map((key) => this.#bucket(key));
    const wait = Math.max(0, ...buckets.map((bucket) => bucket.wait));
    if (wait === 0) for (const bucket of buckets) bucket.take();
    this.#forget();
    return wait;
  }

  #bucket(key: string): Bucket {
    const bucket = this.#buckets.get(key) ?? new Bucket(this.#rate, this.#clock);
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    return bucket;
  }

  /** A full one says nothing. */
  #forget(): void {
    for (const [key, bucket] of this.#buckets) {
      if (this.#buckets.size <= this.#most && !bucket.isFull) return;
      this.#buckets.delete(key);
    }
  }
}
