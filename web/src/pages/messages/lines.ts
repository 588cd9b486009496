import {
  type Envelope,
  type LoggedMessage,
  type MessageOutcome,
  MessageStage,
  type WatchMessagesResponse,
} from '../../../../src/client/contract.ts';
import { msOf } from '../../ui/times.ts';
import { textOf } from '../dead-letters/payload.ts';

/** A line of the tail: a message, or what is not there. */
export type Line =
  | {
      readonly kind: 'message';
      readonly key: string;
      readonly message: LoggedMessage;
      readonly begin: string;
    }
  /** So many are not told. */
  | { readonly kind: 'left-out'; readonly key: string; readonly count: bigint }
  /** Nobody followed for a while. */
  | { readonly kind: 'gap'; readonly key: string; readonly from: number; readonly to: number };

export const MOST_LINES = 5000;
const BEGIN = 256;

/** The begin of a payload in a line, as far as it is text. */
export function beginOf({ payload }: Envelope, size: number): string {
  const begin = payload.subarray(0, 4 * BEGIN);
  // It may be cut within a character, which has up to four bytes.
  const cuts = begin.length < size ? [0, 1, 2, 3] : [0];
  const text = cuts
    .map((cut) => textOf(begin.subarray(0, begin.length - cut)))
    .find((one) => one !== undefined);
  if (text === undefined) return `${size.toLocaleString('en')} bytes`;
  const line = [...text.slice(0, BEGIN)].join('').replaceAll(/\s+/g, ' ');
  return text.length > BEGIN || begin.length < size ? `${line}…` : line;
}

/** What a tail has told, up to some thousand lines; held still while somebody reads. */
export class Lines {
  /** The oldest first. */
  #lines: Line[] = [];
  readonly #byId = new Map<string, LoggedMessage>();
  #keys = 0;
  /** What is shown while it is held. */
  #held: readonly Line[] | undefined;
  #fresh = 0;
  /** Since the page is open: messages that were told, and that were not. */
  told = 0;
  leftOut = 0n;

  get isHeld(): boolean {
    return this.#held !== undefined;
  }

  /** How many messages came since it is held. */
  get fresh(): number {
    return this.#fresh;
  }

  /** The newest first. */
  get shown(): readonly Line[] {
    return this.#held ?? this.#lines.toReversed();
  }

  hold(): void {
    this.#held ??= this.#lines.toReversed();
  }

  release(): void {
    this.#held = undefined;
    this.#fresh = 0;
  }

  /** Those that are there already, since they were told before the stream was cut, are not there twice. */
  add({
    messages,
    outcomes,
    leftOut,
  }: Pick<WatchMessagesResponse, 'messages' | 'outcomes' | 'leftOut'>): void {
    for (const message of messages) {
      const known = this.#byId.get(message.id);
      // One that is told by its dead letter says more than it did.
      if (known && message.outcome) known.outcome = message.outcome;
      if (known || !message.envelope) continue;
      this.#byId.set(message.id, message);
      const begin = beginOf(message.envelope, message.payloadSize);
      this.#push({ kind: 'message', key: message.id, message, begin });
      this.told++;
      if (this.#held) this.#fresh++;
    }
    for (const outcome of outcomes) this.#settle(outcome);
    if (leftOut > 0n) this.#leaveOut(leftOut);
    if (this.#lines.length > MOST_LINES) {
      for (const line of this.#lines.splice(0, this.#lines.length - MOST_LINES)) this.#byId.delete(line.key);
    }
  }

  /** Nobody followed between these times, in milliseconds. */
  addGap(from: number, to: number): void {
    if (this.#lines.length > 0) this.#push({ kind: 'gap', key: this.#newKey(), from, to });
  }

  #settle(outcome: MessageOutcome): void {
    const message = this.#byId.get(outcome.id);
    if (message) message.outcome = outcome;
  }

  /** Those next to each other are one line, which may be shown as it was. */
  #leaveOut(count: bigint): void {
    this.leftOut += count;
    const last = this.#lines.at(-1);
    if (last?.kind === 'left-out')
      this.#lines[this.#lines.length - 1] = { ...last, count: last.count + count };
    else this.#push({ kind: 'left-out', key: this.#newKey(), count });
  }

  #push(line: Line): void {
    this.#lines.push(line);
  }

  #newKey(): string {
    return `line ${this.#keys++}`;
  }
}

/** The lines whose topic, client or payload's begin has a text, whatever its case; all lines that are no message stay. */
export function linesWith(lines: readonly Line[], text: string): readonly Line[] {
  const wanted = text.toLowerCase();
  if (wanted === '') return lines;
  return lines.filter((line) => {
    if (line.kind !== 'message') return true;
    const { topicName = '', clientId = '' } = line.message.envelope ?? {};
    return [topicName, clientId, line.begin].some((one) => one.toLowerCase().includes(wanted));
  });
}

/** How many messages a tail was told of, and how many not, in the last seconds. */
export class Throughput {
  #told: { readonly time: number; readonly messages: number; readonly leftOut: number }[] = [];

  /** @param time now, in milliseconds */
  add(time: number, messages: number, leftOut: number): void {
    this.#told.push({ time, messages, leftOut });
    const old = this.#told.findIndex((one) => time - one.time < SPAN);
    if (old > 0) this.#told.splice(0, old);
  }

  /** A second, of the last ones. */
  at(time: number): { readonly messages: number; readonly leftOut: number } {
    const recent = this.#told.filter((one) => time - one.time < SPAN);
    const sum = (of: 'messages' | 'leftOut') => recent.reduce((all, one) => all + one[of], 0) / (SPAN / 1000);
    return { messages: sum('messages'), leftOut: sum('leftOut') };
  }
}

const SPAN = 3000;

/** A step of a message's way. */
export interface Step {
  readonly text: string;
  readonly isBad: boolean;
}

/** The way of a message as far as it is known. */
export function stepsOf({
  envelope,
  partition,
  offset,
  storedTime,
  outcome,
}: LoggedMessage): readonly Step[] {
  const good = (text: string) => ({ text, isBad: false });
  const published = envelope?.receivedTime ? msOf(envelope.receivedTime) : undefined;
  const stored = storedTime ? msOf(storedTime) : undefined;
  const took =
    published === undefined || stored === undefined ? '' : ` (+${Math.max(0, stored - published)} ms)`;
  const by = envelope?.clientId ? ` by ${envelope.clientId}` : '';
  const via = envelope?.node ? ` via ${envelope.node}` : '';
  return [
    good(`published${by}${via}`),
    good(`Kafka: partition ${partition}, offset ${offset}${took}`),
    ...lastSteps(outcome),
  ];
}

function lastSteps(outcome: MessageOutcome | undefined): readonly Step[] {
  switch (outcome?.stage) {
    case MessageStage.WAITING:
      return [{ text: 'waits, or is being tried', isBad: false }];
    case MessageStage.SETTLED:
      return [{ text: 'settled: delivered, or skipped by the delivery policy', isBad: false }];
    case MessageStage.DEAD_LETTERED: {
      const { attempts, serviceId, reason } = outcome;
      const tries = attempts === 1 ? '1 attempt' : `${attempts} attempts`;
      return [{ text: `given up by ${serviceId} after ${tries}: ${reason}`, isBad: true }];
    }
    default:
      return [{ text: 'what became of it is not known', isBad: false }];
  }
}

const STAGES: Readonly<Record<MessageStage, string>> = {
  [MessageStage.UNSPECIFIED]: 'not known',
  [MessageStage.WAITING]: 'waiting',
  [MessageStage.SETTLED]: 'settled',
  [MessageStage.DEAD_LETTERED]: 'dead letter',
};

export const stageText = (stage: MessageStage | undefined): string =>
  STAGES[stage ?? MessageStage.UNSPECIFIED] ?? 'not known';

/** Time of day to the millisecond, in the zone that is chosen. */
export function clockText(ms: number, zone: 'local' | 'UTC'): string {
  const offset = zone === 'UTC' ? 0 : -new Date(ms).getTimezoneOffset() * 60_000;
  return new Date(ms + offset).toISOString().slice(11, 23);
}
