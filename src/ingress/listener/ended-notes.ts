import type { Clock } from '../../runtime/clock.ts';

interface Deps {
  readonly clock: Pick<Clock, 'setTimer'>;
  takeBack(clientId: string, packetId: number): Promise<void>;
  /** There is no room for another one: it stays, until it is over and Kafka deletes it. */
  onLeft(): void;
}

/** After a note was not taken back, in milliseconds. */
const PAUSE = 5000;
/** Taken back at once. */
const AT_ONCE = 1000;
/** What may wait, in bytes as it is in memory: the notes of more sessions than are kept by default. */
const MAX_BYTES = 16_777_216;
/** What a client takes besides its id, about, and a packet identifier. */
const CLIENT_BYTES = 256;
const NOTE_BYTES = 64;

/** Notes of sessions that have ended: takes them back, some at a time, until it has. Thousands may end at once. */
export class EndedNotes {
  readonly #deps: Deps;
  /** What waits: packet identifiers by client id. */
  readonly #waiting = new Map<string, Set<number>>();
  #bytes = 0;
  /** What is being taken back, with the latest try. */
  readonly #leaving = new Map<string, object>();
  #tries = 0;
  #isPausing = false;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  add(clientId: string, packetIds: Iterable<number>): void {
    for (const packetId of packetIds) this.#add(clientId, packetId);
    this.#takeBack();
  }

  /** Another note takes its place, and is to stay. Answers whether there was one. */
  replace(clientId: string, packetId: number): boolean {
    const isLeaving = this.#leaving.delete(keyOf(clientId, packetId));
    return this.#delete(clientId, packetId) || isLeaving;
  }

  #add(clientId: string, packetId: number): void {
    const known = this.#waiting.get(clientId);
    if (known?.has(packetId)) return;
    const bytes = NOTE_BYTES + (known ? 0 : clientBytes(clientId));
    if (this.#bytes + bytes > MAX_BYTES) {
      this.#deps.onLeft();
      return;
    }
    this.#bytes += bytes;
    if (known) known.add(packetId);
    else this.#waiting.set(clientId, new Set([packetId]));
  }

  #delete(clientId: string, packetId: number): boolean {
    const known = this.#waiting.get(clientId);
    if (!known?.delete(packetId)) return false;
    this.#bytes -= NOTE_BYTES;
    if (known.size === 0) {
      this.#waiting.delete(clientId);
      this.#bytes -= clientBytes(clientId);
    }
    return true;
  }

  #takeBack(): void {
    for (const [clientId, packetIds] of this.#waiting) {
      for (const packetId of packetIds) {
        if (this.#isPausing || this.#tries >= AT_ONCE) return;
        this.#delete(clientId, packetId);
        void this.#takeBackOne(clientId, packetId);
      }
    }
  }

  async #takeBackOne(clientId: string, packetId: number): Promise<void> {
    const key = keyOf(clientId, packetId);
    const attempt = {};
    this.#leaving.set(key, attempt);
    this.#tries++;
    try {
      await this.#deps.takeBack(clientId, packetId);
    } catch {
      if (this.#leaving.get(key) === attempt) this.#add(clientId, packetId);
      this.#pause();
    }
    this.#tries--;
    if (this.#leaving.get(key) === attempt) this.#leaving.delete(key);
    this.#takeBack();
  }

  #pause(): void {
    if (this.#isPausing) return;
    this.#isPausing = true;
    const goOn = () => {
      this.#isPausing = false;
      this.#takeBack();
    };
    this.#deps.clock.setTimer(goOn, PAUSE, { unref: true });
  }
}

const clientBytes = (clientId: string) => CLIENT_BYTES + 2 * clientId.length;
const keyOf = (clientId: string, packetId: number) => `${packetId}/${clientId}`;
