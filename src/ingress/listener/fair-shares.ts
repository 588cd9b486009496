import type { Clock } from '../../runtime/clock.ts';

/** Messages of one connection on their way to Kafka, at most; announced as Receive Maximum. */
export const MAX_IN_FLIGHT = 1024;
/** Their bytes. */
const MAX_IN_FLIGHT_BYTES = 4_194_304;
/** What each may have on its way, however many they are. */
const LEAST = 4;
const LEAST_BYTES = 65_536;
/** Of all connections together. */
const [NARROWEST, WIDEST] = [64, 16_384];
/** How much longer than the quickest of late a message may take, in milliseconds: so long it waited behind others. */
const PATIENCE = 20;
/** Of late: in this time, or in as much before it, in milliseconds. */
const LATE = 10_000;
/** How much it widens with each message: by an eighth while all of it arrives. */
const WIDENING = 1 / 8;

/**
 * What a connection may have on its way to Kafka: those who have something share what arrives soon. Each message waits behind
 * all that is on its way, also one of a client that sends little, so this must not be much, however many send as fast as
 * they can: there is as much as Kafka takes within moments, and no fewer where only its answers take their time.
 */
export class FairShares {
  readonly #clock: Clock;
  #connections = 0;
  #onTheirWay = 0;
  #window = MAX_IN_FLIGHT;
  /** When the first late one of the last that were late together arrived. */
  #lastLate = -Infinity;
  #quickest = Infinity;
  #quickestBefore = Infinity;
  #since = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Messages of each connection. */
  get messages(): number {
    return Math.min(MAX_IN_FLIGHT, Math.max(LEAST, Math.floor(this.#share)));
  }

  /** Their bytes. */
  get bytes(): number {
    const bytes = (MAX_IN_FLIGHT_BYTES * this.#share) / MAX_IN_FLIGHT;
    return Math.min(MAX_IN_FLIGHT_BYTES, Math.max(LEAST_BYTES, bytes));
  }

  get #share(): number {
    return this.#window / Math.max(1, this.#connections);
  }

  /** A connection has something on its way, or nothing any more. */
  joined(): void {
    this.#connections++;
  }

  left(): void {
    this.#connections--;
  }

  /** Something is on its way, or is not any more. */
  added(): void {
    this.#onTheirWay++;
  }

  settled(): void {
    this.#onTheirWay--;
  }

  /** Kafka is about to get a message; answers when, for `arrived`. */
  sent(): number {
    return this.#clock.monotonic();
  }

  /** Kafka has it. Whatever else becomes of a message says nothing of Kafka's own time. */
  arrived(sent: number): void {
    const now = this.#clock.monotonic();
    const took = now - sent;
    if (now - this.#since >= LATE) {
      this.#since = now;
      this.#quickestBefore = this.#quickest;
      this.#quickest = Infinity;
    }
    this.#quickest = Math.min(this.#quickest, took);
    if (took > Math.min(this.#quickest, this.#quickestBefore) + PATIENCE) this.#late(sent, now);
    else if (this.#onTheirWay > this.#window / 2) this.#window = Math.min(WIDEST, this.#window + WIDENING);
  }

  /** Once for all that were on their way together; and those sent next must be late, too: else it was us who stood still. */
  #late(sent: number, now: number): void {
    if (sent < this.#lastLate) return;
    const isAgain = sent - this.#lastLate <= now - sent;
    this.#lastLate = now;
    if (isAgain) this.#window = Math.max(NARROWEST, this.#window / 2);
  }
}
