import { BusError } from '../../bus/bus.ts';
import { Lane } from '../../bus/lane.ts';
import type { PublishedMessage } from '../../contract/encode-envelope.ts';
import { textMemory } from '../../contract/message-memory.ts';
import type { CancelTimer, Clock } from '../../runtime/clock.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import type { TakeIn } from '../fan-out.ts';
import { loggedId } from './end-reason.ts';
import type { TakenIn } from './taken-in.ts';

/** What to publish when a client is lost. */
export interface Will {
  readonly message: PublishedMessage;
  /** The Will Delay Interval, in seconds. */
  readonly delay: number;
}

/** What a will keeps in memory besides its texts, about. */
const OVERHEAD = 512;
/** Between two tries of what Kafka did not take, in milliseconds. A client that was let go for that is back by then. */
const PAUSE = 5000;
/** A will that Kafka does not take for so long is given up, in milliseconds. */
const PATIENCE = 3_600_000;
const IS_BACK = 'the client is back';

export function willMemory({ message }: Will): number {
  const { payload, correlationData } = message;
  return OVERHEAD + payload.length + (correlationData?.length ?? 0) + textMemory(message);
}

interface Deps {
  readonly takeIn: TakeIn;
  readonly takenIn: TakenIn;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What may be kept while Kafka does not take it, in bytes. */
  readonly maxBytes: number;
}

interface Owed {
  readonly will: Will;
  readonly until: number;
  /** Topics that have it already. */
  readonly there: Set<string>;
  /** Ends the wait for its next try. */
  cancelTimer: CancelTimer;
}

interface Try {
  /** Its own: a lane that was refused takes nothing any more. */
  readonly lane: Lane;
  readonly end: Promise<void>;
}

/** Publishes wills. One that Kafka does not take is kept until it does, or until its client is back. */
export class Wills {
  readonly #deps: Deps;
  /** By client id, the oldest first. */
  readonly #owed = new Map<string, Owed>();
  readonly #tries = new Map<Owed, Try>();
  #bytes = 0;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  publish(will: Will): void {
    this.#try(this.#owe(will));
  }

  /** The connection ended because Kafka does not take its messages: the client is not gone unless it stays away. */
  keep(will: Will): void {
    this.#tryLater(this.#owe(will));
  }

  /** The client is here: what is owed to an earlier connection is not written any more, unless it is on its way already. */
  takeBack(clientId: string): void {
    const owed = this.#owed.get(clientId);
    if (!owed) return;
    const tried = this.#tries.get(owed);
    if (tried) tried.lane.refusal ??= new BusError('failed', IS_BACK);
    this.#giveUp(owed, IS_BACK);
  }

  /** The client goes on: what its return has published is not tried again, behind what it sends now. */
  back(clientId: string): void {
    const owed = this.#owed.get(clientId);
    if (owed) this.#giveUp(owed, IS_BACK);
  }

  /** Tries once more what is owed, and waits for all tries. */
  async finish(): Promise<void> {
    for (const owed of this.#owed.values()) {
      owed.cancelTimer();
      this.#try(owed);
    }
    await Promise.allSettled([...this.#tries.values()].map(({ end }) => end));
    for (const { cancelTimer } of this.#owed.values()) cancelTimer();
  }

  #owe(will: Will): Owed {
    const { clock, maxBytes } = this.#deps;
    const before = this.#owed.get(will.message.clientId);
    if (before) this.#giveUp(before, 'a newer one takes its place');
    const until = clock.monotonic() + PATIENCE;
    const owed = { will, until, there: new Set<string>(), cancelTimer: () => {} };
    this.#owed.set(will.message.clientId, owed);
    this.#bytes += willMemory(will);
    for (const oldest of this.#owed.values()) {
      if (this.#bytes <= maxBytes || oldest === owed) break;
      this.#giveUp(oldest, 'too many wait for Kafka');
    }
    return owed;
  }

  #try(owed: Owed): void {
    if (this.#tries.has(owed)) return;
    const lane = new Lane();
    const end = this.#publish(owed, lane).finally(() => this.#tries.delete(owed));
    this.#tries.set(owed, { lane, end });
  }

  async #publish(owed: Owed, lane: Lane): Promise<void> {
    const { takeIn, takenIn, clock } = this.#deps;
    try {
      const { will, there } = owed;
      ((await takeIn(will.message, lane, there)) === 0 ? takenIn.unmatched : takenIn.stored).inc();
      this.#forget(owed);
    } catch (error) {
      const isFinal = error instanceof BusError && !error.retriable;
      if (!isFinal && this.#isOwed(owed) && clock.monotonic() < owed.until) return this.#tryLater(owed);
      this.#forget(owed);
      this.#count(owed, messageOf(error));
    }
  }

  #tryLater(owed: Owed): void {
    owed.cancelTimer = this.#deps.clock.setTimer(() => this.#try(owed), PAUSE, { unref: true });
  }

  #isOwed(owed: Owed): boolean {
    return this.#owed.get(owed.will.message.clientId) === owed;
  }

  #forget(owed: Owed): void {
    if (!this.#isOwed(owed)) return;
    owed.cancelTimer();
    this.#owed.delete(owed.will.message.clientId);
    this.#bytes -= willMemory(owed.will);
  }

  /** Of one that is just tried, the end of the try tells what becomes of it. */
  #giveUp(owed: Owed, why: string): void {
    this.#forget(owed);
    if (!this.#tries.has(owed)) this.#count(owed, why);
  }

  #count({ will }: Owed, why: string): void {
    const { takenIn, logger } = this.#deps;
    takenIn.failed.inc();
    logger.warn('a will was not stored', { client: loggedId(will.message.clientId), error: why });
  }
}
