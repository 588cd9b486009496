import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { DeadLetter, Envelope } from '../../../gen/penstock/v1/envelope_pb.ts';
import {
  type LoggedMessage,
  type MessageFilter,
  type MessageOutcome,
  MessageStage,
} from '../../../gen/penstock/v1/message_log_service_pb.ts';
import type { IncomingRecord } from '../../bus/bus.ts';
import type { ByteLimit } from '../../runtime/byte-limit.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { Bucket } from '../../runtime/rate-limit.ts';
import { envelopeIn } from '../dead-letters/dead-letter-filter.ts';
import type { Bell } from '../watches/bell.ts';
import { bytesOf, loggedMessage, messageId } from './logged-message.ts';
import type { MessageWatcher } from './message-feed.ts';
import { messageTest } from './message-filter.ts';
import type { Awaited, OutcomeTracker } from './outcome-tracker.ts';
import { type Letter, outcomeAt } from './outcomes.ts';

/** Messages whose outcomes are waited for. */
const MAX_AWAITED = 5000;
/** What waits to be told, or for its stage, each. */
const MAX_BYTES = 4 << 20;
/** Told at a time. */
const MAX_TOLD = 1000;

export interface TailWish {
  readonly filter: MessageFilter | undefined;
  /** Messages in a second. */
  readonly maxRate: number;
  readonly payloadBytes: number;
}

/** What is to be told next. */
export interface Told {
  readonly messages: LoggedMessage[];
  readonly outcomes: MessageOutcome[];
  readonly leftOut: bigint;
}

interface Held extends Awaited {
  /** Unset: it is told already. */
  readonly message?: LoggedMessage;
}

/** What one caller is to be told of a message topic: bounded, and what is beyond is counted. */
export class MessageTail implements MessageWatcher, Disposable {
  readonly #wish: TailWish;
  readonly #test;
  readonly #stages: ReadonlySet<MessageStage>;
  readonly #rate: Bucket;
  readonly #bell: Bell;
  readonly #metrics: Pick<Metrics, 'watchedMessages'>;
  readonly #memory: ByteLimit;
  /** By id, the oldest first. */
  readonly #awaited = new Map<string, Held>();
  #messages: LoggedMessage[] = [];
  #outcomes: MessageOutcome[] = [];
  #leftOut = 0;
  #bytes = 0;
  #heldBytes = 0;

  /** @param memory of all tails of this node */
  constructor(
    wish: TailWish,
    bell: Bell,
    clock: Pick<Clock, 'monotonic'>,
    metrics: Pick<Metrics, 'watchedMessages'>,
    memory: ByteLimit,
  ) {
    this.#memory = memory;
    this.#wish = wish;
    this.#test = messageTest(wish.filter);
    this.#stages = new Set(wish.filter?.stages);
    this.#rate = new Bucket({ atOnce: wish.maxRate, perMinute: 60 * wish.maxRate }, clock);
    this.#bell = bell;
    this.#metrics = metrics;
  }

  get isAwaiting(): boolean {
    return this.#awaited.size > 0 || this.#stages.has(MessageStage.DEAD_LETTERED);
  }

  /** Messages that are told, as they were: what becomes of them is told, too. */
  await(messages: readonly LoggedMessage[]): void {
    for (const message of messages) {
      if (message.outcome?.stage !== MessageStage.WAITING) continue;
      const { id, partition, offset } = message;
      this.#hold(id, { partition, offset: Number(offset), storedTime: timestampMs(message.storedTime!) });
    }
  }

  offer(record: IncomingRecord, read: () => Envelope | undefined): void {
    const isWaitingWanted = this.#wants(MessageStage.WAITING);
    // What is left out anyway is not read, unless a filter says whether it counts.
    if (!this.#test && isWaitingWanted && !this.#hasRoom) {
      this.leaveOut(1);
      return;
    }
    const envelope = read();
    if (!envelope || this.#test?.(envelope) === false) return;
    const message = loggedMessage(record, envelope, this.#wish.payloadBytes);
    const { partition, offset, timestamp } = record;
    const place = { partition, offset, storedTime: timestamp };
    message.outcome = outcomeAt(message.id, MessageStage.WAITING);
    if (!isWaitingWanted) this.#hold(message.id, { ...place, message });
    else if (this.#tell(message)) this.#hold(message.id, place);
  }

  leaveOut(messages: number): void {
    this.#leftOut += messages;
    this.#metrics.watchedMessages.inc({ result: 'left_out' }, messages);
    this.#bell.ring();
  }

  offerLetter({ outcome, time }: Letter, deadLetter: DeadLetter): void {
    if (this.#wants(MessageStage.WAITING) || !this.#wants(MessageStage.DEAD_LETTERED)) return;
    const envelope = envelopeIn(deadLetter);
    if (!envelope || this.#test?.(envelope) === false) return;
    const id = messageId(deadLetter.partition, deadLetter.offset);
    const held = this.#awaited.get(id);
    const timestamp = held && held.storedTime <= time ? held.storedTime : undefined;
    this.#release(id);
    const { partition, offset } = deadLetter;
    const record = { partition, offset: Number(offset), timestamp };
    this.#tell(Object.assign(loggedMessage(record, envelope, this.#wish.payloadBytes), { outcome }));
  }

  settle(outcomes: Pick<OutcomeTracker, 'outcomeOf'>): void {
    for (const [id, held] of this.#awaited) {
      const outcome = outcomes.outcomeOf(id, held);
      if (!outcome) continue;
      this.#release(id);
      if (!held.message) this.#outcomes.push(outcome);
      else if (this.#wants(outcome.stage)) this.#tell(Object.assign(held.message, { outcome }));
    }
    if (this.#outcomes.length > 0) this.#bell.ring();
  }

  fail(error: unknown): void {
    this.#bell.fail(error);
  }

  /** What is to be told, and was not; undefined: nothing. */
  next(): Told | undefined {
    const messages = this.#messages.splice(0, MAX_TOLD);
    const outcomes = this.#outcomes.splice(0);
    const leftOut = BigInt(this.#leftOut);
    this.#leftOut = 0;
    this.#count(-messages.reduce((sum, message) => sum + bytesOf(message), 0));
    this.#metrics.watchedMessages.inc({ result: 'told' }, messages.length);
    if (this.#messages.length > 0) this.#bell.ring();
    if (messages.length === 0 && outcomes.length === 0 && leftOut === 0n) return undefined;
    return { messages, outcomes, leftOut };
  }

  #wants(stage: MessageStage): boolean {
    return this.#stages.size === 0 || this.#stages.has(stage);
  }

  get #hasRoom(): boolean {
    return this.#bytes < MAX_BYTES && !this.#memory.isFull && this.#rate.wait === 0;
  }

  /** Whether it is told, and not left out. */
  #tell(message: LoggedMessage): boolean {
    if (!this.#hasRoom) {
      this.leaveOut(1);
      return false;
    }
    this.#rate.take();
    this.#count(bytesOf(message));
    this.#messages.push(message);
    this.#bell.ring();
    return true;
  }

  #hold(id: string, held: Held): void {
    this.#awaited.set(id, held);
    if (held.message) this.#countHeld(bytesOf(held.message));
    while (this.#awaited.size > MAX_AWAITED || (this.#holdsTooMuch && this.#awaited.size > 1)) {
      const [oldest] = this.#awaited.keys();
      if (this.#release(oldest!)?.message) this.leaveOut(1);
    }
  }

  get #holdsTooMuch(): boolean {
    return this.#heldBytes > MAX_BYTES || (this.#heldBytes > 0 && this.#memory.isFull);
  }

  #release(id: string): Held | undefined {
    const held = this.#awaited.get(id);
    this.#awaited.delete(id);
    if (held?.message) this.#countHeld(-bytesOf(held.message));
    return held;
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#memory.add(bytes);
  }

  #countHeld(bytes: number): void {
    this.#heldBytes += bytes;
    this.#memory.add(bytes);
  }

  [Symbol.dispose](): void {
    this.#memory.remove(this.#bytes + this.#heldBytes);
    this.#bytes = 0;
    this.#heldBytes = 0;
  }
}
