import { type Backoff, backoffPause } from '../runtime/backoff.ts';
import type { Clock } from '../runtime/clock.ts';
import { withDeadline } from '../runtime/deadline.ts';
import { type Logger, messageOf } from '../runtime/logger.ts';
import type { Bus, Claim, Feed, IncomingRecord, Membership, TopicPartition } from './bus.ts';

/** Records of a partition that wait while others are worked on, and their bytes; one may go beyond. */
const MAX_WAITING = 500;
const MAX_WAITING_BYTES = 1_048_576;
/** How long who takes a partition over waits for the batch that is worked on. */
const LAST_BATCH_DEADLINE = 1500;
const STOP_DEADLINE = 2000;
const RETRY: Backoff = { initial: 200, max: 2000 };

/** Records of one partition, in order. */
export interface RecordBatch extends TopicPartition {
  readonly records: readonly IncomingRecord[];
  /** One after the last offset of the partition when it was last fetched. */
  readonly endOffset: number;
  /** Aborts when another member is to have the partition, or the reader stops. */
  readonly signal: AbortSignal;
}

export interface GroupReaderOptions {
  readonly groupId: string;
  readonly topics: readonly string[];
  /**
   * Called for one batch of a partition at a time, several partitions side by side, however long it takes. What it resolves
   * for is committed; what it rejects comes again after a pause.
   */
  eachBatch(batch: RecordBatch): Promise<void>;
}

interface Deps {
  readonly bus: Pick<Bus, 'join' | 'feed'>;
  readonly clock: Clock;
  readonly logger: Logger;
  random(): number;
}

/**
 * Reads topics whose partitions the members of a group split among themselves, from what the group has committed on; what
 * nobody committed, from the beginning. Disposing commits what is done and leaves the group.
 */
export class GroupReader implements AsyncDisposable {
  readonly #options: GroupReaderOptions;
  readonly #deps: Deps;
  readonly #membership: Membership;
  readonly #shares = new Map<Claim, Share>();

  constructor(options: GroupReaderOptions, deps: Deps) {
    this.#options = options;
    this.#deps = deps;
    const { groupId, topics } = options;
    this.#membership = deps.bus.join({
      groupId,
      topics,
      onGained: (claim) => this.#gain(claim),
      onLost: (claim) => this.#lose(claim),
    });
  }

  /** Resolves with the first assignment; never, when it is disposed before. */
  get joined(): Promise<void> {
    return this.#membership.joined;
  }

  #gain(claim: Claim): void {
    const share = new Share(claim, this.#options, this.#deps);
    this.#shares.set(claim, share);
    void this.#begin(claim, share);
  }

  async #begin(claim: Claim, share: Share): Promise<void> {
    const { clock, logger, random } = this.#deps;
    for (let failures = 1; !share.signal.aborted; failures++) {
      try {
        const [committed] = await this.#membership.committed([claim]);
        share.read(committed?.offset ?? 0);
        return;
      } catch (error) {
        const { topic, partition } = claim;
        logger.debug('a position is not known yet', { topic, partition, error: messageOf(error) });
        await clock.sleep(backoffPause(RETRY, failures, random()), share.signal).catch(() => {});
      }
    }
  }

  async #lose(claim: Claim): Promise<void> {
    const share = this.#shares.get(claim);
    this.#shares.delete(claim);
    await share?.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { clock, logger } = this.#deps;
    const { groupId } = this.#options;
    const left = this.#membership[Symbol.asyncDispose]();
    await withDeadline(clock, STOP_DEADLINE, 'leaving a group', Promise.resolve(left)).catch((error) => {
      logger.debug('a group is left later', { groupId, error: messageOf(error) });
    });
  }
}

/** A partition that this member has. */
class Share {
  readonly #claim: Claim;
  readonly #options: GroupReaderOptions;
  readonly #deps: Deps;
  readonly #over = new AbortController();
  #waiting: IncomingRecord[] = [];
  #bytes = 0;
  #endOffset = 0;
  #feed: Feed | undefined;
  #working: Promise<void> | undefined;

  constructor(claim: Claim, options: GroupReaderOptions, deps: Deps) {
    this.#claim = claim;
    this.#options = options;
    this.#deps = deps;
  }

  /** Aborts when it is over. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  read(from: number): void {
    if (this.signal.aborted) return;
    const { topic, partition } = this.#claim;
    this.#feed = this.#deps.bus.feed({
      topic,
      partition,
      from,
      take: (record) => this.#take(record),
      onPosition: (_, end) => {
        this.#endOffset = end;
      },
    });
  }

  /** Stops reading; what is worked on may still be committed. */
  async end(): Promise<void> {
    this.#over.abort();
    this.#feed?.[Symbol.dispose]();
    this.#waiting = [];
    if (!this.#working) return;
    const { clock } = this.#deps;
    await withDeadline(clock, LAST_BATCH_DEADLINE, 'the last batch', this.#working).catch(() => {}); // it comes again
  }

  #take(record: IncomingRecord): boolean {
    const size = (record.value?.byteLength ?? 0) + (record.key?.length ?? 0);
    const hasRoom = this.#waiting.length < MAX_WAITING && this.#bytes + size <= MAX_WAITING_BYTES;
    if (this.#waiting.length > 0 && !hasRoom) return false;
    this.#waiting.push({ ...record, value: record.value && Uint8Array.from(record.value) });
    this.#bytes += size;
    this.#working ??= this.#work();
    return true;
  }

  async #work(): Promise<void> {
    await Promise.resolve(); // the rest of what was fetched
    while (this.#waiting.length > 0) {
      const records = this.#waiting;
      this.#waiting = [];
      this.#bytes = 0;
      this.#feed?.resume();
      const next = records.at(-1)!.offset + 1;
      if (await this.#isDone(records, Math.max(this.#endOffset, next))) await this.#commit(next);
    }
    this.#working = undefined;
  }

  /** Answers false when the partition was lost before. */
  async #isDone(records: readonly IncomingRecord[], endOffset: number): Promise<boolean> {
    const { clock, logger, random } = this.#deps;
    const { topic, partition } = this.#claim;
    for (let failures = 1; !this.signal.aborted; failures++) {
      try {
        await this.#options.eachBatch({ topic, partition, records, endOffset, signal: this.signal });
        return true;
      } catch (error) {
        if (this.signal.aborted) break;
        if (failures === 1) logger.error('records wait', { topic, partition, error: messageOf(error) });
        await clock.sleep(backoffPause(RETRY, failures, random()), this.signal).catch(() => {});
      }
    }
    return false;
  }

  /** One that fails costs a repetition at most. */
  async #commit(offset: number): Promise<void> {
    const { topic, partition } = this.#claim;
    await this.#claim.commit([{ topic, partition, offset, tag: '' }]).catch((error) => {
      this.#deps.logger.debug('a position was not committed', { topic, partition, why: messageOf(error) });
    });
  }
}
