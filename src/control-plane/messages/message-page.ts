import { EnvelopeSchema } from '../../../gen/penstock/v1/envelope_pb.ts';
import type { LoggedMessage, MessageFilter } from '../../../gen/penstock/v1/message_log_service_pb.ts';
import type { IncomingRecord, OffsetRange } from '../../bus/bus.ts';
import { decoder } from '../../bus/codec.ts';
import { bytesOf, loggedMessage } from './logged-message.ts';
import { messageTest } from './message-filter.ts';
import type { MessageDeps } from './outcomes.ts';

/** What is looked at for one page, at most: then it ends, however little is on it. */
const MAX_LOOKED_AT = 2000;
const MAX_READS = 24;
const MAX_BYTES = 16 << 20;
/** Read at a time, unless one message alone is larger. */
const MAX_BYTES_A_READ = 4 << 20;
/** Bytes of a page, roughly: more end it early. */
const MAX_PAGE_BYTES = 1_500_000;

export interface WantedMessages {
  readonly filter: MessageFilter | undefined;
  readonly size: number;
  /** The most of each payload. */
  readonly payloadBytes: number;
  /** Of each partition what is left of the list. */
  readonly ranges: ReadonlyMap<number, OffsetRange>;
  /** From the ends back, the newest first; or from the starts. */
  readonly isBackward: boolean;
}

export interface MessagePage {
  /** In the order of the list. */
  readonly messages: readonly LoggedMessage[];
  /** Of each partition what is left after this page; empty: nothing. */
  readonly rest: ReadonlyMap<number, OffsetRange>;
}

/** What was found and is not on the page yet. */
interface Found {
  readonly offset: number;
  readonly timestamp: number;
  readonly message: LoggedMessage;
}

/** One partition: what was not looked at yet, and what was found. */
interface Cursor {
  readonly partition: number;
  start: number;
  end: number;
  found: Found[];
}

/** Messages of all partitions in the order of their times, no more than a page takes, whatever the topic holds. */
export async function messagePage(
  deps: MessageDeps,
  integrationId: string,
  wanted: WantedMessages,
  signal: AbortSignal,
): Promise<MessagePage> {
  const scan = new MergingScan(deps, integrationId, wanted, signal);
  const messages: LoggedMessage[] = [];
  let bytes = 0;
  while (messages.length < wanted.size) {
    const next = await scan.next();
    if (next === undefined) break;
    bytes += bytesOf(next);
    if (bytes > MAX_PAGE_BYTES && messages.length > 0) break;
    scan.take();
    messages.push(next);
  }
  return { messages, rest: scan.rest };
}

class MergingScan {
  readonly #deps: MessageDeps;
  readonly #topic: string;
  readonly #wanted: WantedMessages;
  readonly #signal: AbortSignal;
  readonly #cursors: readonly Cursor[];
  readonly #decode;
  readonly #test;
  #chunk: number;
  /** Everything of a read is looked at by itself: several together were too large. */
  #isCareful = false;
  #lookedAt = 0;
  #reads = 0;
  #bytes = 0;

  constructor(deps: MessageDeps, integrationId: string, wanted: WantedMessages, signal: AbortSignal) {
    this.#deps = deps;
    this.#topic = deps.topics.messages(integrationId).name;
    this.#wanted = wanted;
    this.#signal = signal;
    this.#cursors = [...wanted.ranges].map(([partition, range]) => ({ partition, ...range, found: [] }));
    this.#decode = decoder(EnvelopeSchema, deps);
    this.#test = messageTest(wanted.filter);
    this.#chunk = Math.max(1, Math.ceil(wanted.size / Math.max(1, this.#cursors.length)));
  }

  /**
   * The next message of the list; undefined: there is none, or it was enough for one page. What was found by then is told, so
   * that the next page goes on behind it, whatever other partitions have from before.
   */
  async next(): Promise<LoggedMessage | undefined> {
    for (;;) {
      const hungry = this.#cursors.filter(({ found, start, end }) => found.length === 0 && start < end);
      if (hungry.length === 0 || this.#isLong) return this.#head?.found[0]?.message;
      await this.#fill(this.#isCareful ? hungry.slice(0, 1) : hungry);
    }
  }

  /** What `next` answered is on the page. */
  take(): void {
    this.#head?.found.shift();
  }

  /** What was found and is not on the page is looked for again. */
  get rest(): ReadonlyMap<number, OffsetRange> {
    const { isBackward } = this.#wanted;
    const rests = this.#cursors.map(({ partition, start, end, found: [first] }) => {
      if (!first) return [partition, { start, end }] as const;
      return [
        partition,
        isBackward ? { start, end: first.offset + 1 } : { start: first.offset, end },
      ] as const;
    });
    return new Map(rests.filter(([, { start, end }]) => start < end));
  }

  get #isLong(): boolean {
    if (this.#lookedAt >= MAX_LOOKED_AT || this.#reads >= MAX_READS) return true;
    return this.#bytes >= MAX_BYTES && this.#lookedAt > 0;
  }

  get #head(): Cursor | undefined {
    const sign = this.#wanted.isBackward ? -1 : 1;
    let head: Cursor | undefined;
    for (const cursor of this.#cursors) {
      const [one, other] = [cursor.found[0], head?.found[0]];
      if (one && (!other || sign * (one.timestamp - other.timestamp) < 0)) head = cursor;
    }
    return head;
  }

  /** Looks at the next part of these partitions. */
  async #fill(cursors: readonly Cursor[]): Promise<void> {
    const { isBackward } = this.#wanted;
    const most = Math.max(1, Math.floor((MAX_LOOKED_AT - this.#lookedAt) / cursors.length));
    const length = Math.min(this.#chunk, most);
    const parts = new Map(
      cursors.map(({ partition, start, end }) => [
        partition,
        isBackward
          ? { start: Math.max(start, end - length), end }
          : { start, end: Math.min(end, start + length) },
      ]),
    );
    const found = await this.#read(parts, length > 1 || cursors.length > 1);
    this.#reads++;
    if (found === undefined) {
      this.#isCareful = true;
      this.#chunk = Math.max(1, length >> 2);
      return;
    }
    for (const cursor of cursors) {
      const part = parts.get(cursor.partition)!;
      this.#lookedAt += part.end - part.start;
      const inside = found.get(cursor.partition) ?? [];
      cursor.found = isBackward ? inside.toReversed() : inside;
      if (isBackward) cursor.end = part.start;
      else cursor.start = part.end;
    }
    // What a filter lets through may be rare.
    if (this.#test) this.#chunk = Math.min(MAX_LOOKED_AT, this.#chunk * 2);
  }

  /** What passes, by partition; undefined: it is too large to be read at once, and may be less. */
  async #read(
    ranges: ReadonlyMap<number, OffsetRange>,
    mayBeLess: boolean,
  ): Promise<Map<number, Found[]> | undefined> {
    const tooLarge = Symbol('more than is to be read at a time');
    const found = new Map<number, Found[]>([...ranges.keys()].map((partition) => [partition, []]));
    let bytes = 0;
    const eachBatch = async (records: readonly IncomingRecord[]) => {
      for (const record of records) {
        bytes += record.value?.byteLength ?? 0;
        this.#bytes += record.value?.byteLength ?? 0;
        if (bytes > MAX_BYTES_A_READ && mayBeLess) throw tooLarge;
        const envelope = this.#decode(record);
        if (!envelope || this.#test?.(envelope) === false) continue;
        const message = loggedMessage(record, envelope, this.#wanted.payloadBytes);
        const { offset, timestamp } = record;
        found.get(record.partition)!.push({ offset, timestamp, message });
      }
    };
    try {
      await this.#deps.bus.read({ topic: this.#topic, ranges, signal: this.#signal, eachBatch });
      return found;
    } catch (error) {
      if (error === tooLarge) return undefined;
      throw error;
    }
  }
}
