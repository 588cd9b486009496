import { Origins } from './origins.ts';

/** A socket whose client is not connected: it has not sent its CONNECT yet, or its connection has ended. */
interface Newcomer {
  /** Where it comes from. */
  readonly origin: string;
  /** There are too many: it has to go at once. */
  crowdOut(): void;
}

/**
 * The sockets that nobody has connected with, beside those that somebody has. There is room for so many; then each new one takes
 * the place of the oldest from where there are the most, so that no number of silent ones keeps a client out.
 */
export class Newcomers {
  readonly #limit: number;
  readonly #origins = new Origins<Newcomer>();
  readonly #all = new Set<Newcomer>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(newcomer: Newcomer): void {
    this.#all.add(newcomer);
    this.#origins.add(newcomer.origin, newcomer);
    while (this.#all.size > this.#limit) {
      const oldest = this.#origins.oldestOfMost();
      if (!oldest) return;
      this.delete(oldest);
      oldest.crowdOut();
    }
  }

  delete(newcomer: Newcomer): void {
    this.#all.delete(newcomer);
    this.#origins.delete(newcomer.origin, newcomer);
  }
}
