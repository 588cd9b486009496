import type { Envelope } from '../../../gen/penstock/v1/envelope_pb.ts';
import type { Bus, Feed, IncomingRecord } from '../../bus/bus.ts';
import { decodeEnvelope } from '../../contract/decode-envelope.ts';
import type { CancelTimer } from '../../runtime/clock.ts';
import { messageOf } from '../../runtime/logger.ts';
import { untilAborted } from '../../runtime/until-aborted.ts';
import type { Delivery } from './delivery.ts';
import { Positions, type PositionsDeps } from './positions.ts';
import { partitionsOf, type Share, shareOf } from './share.ts';

/** How often what is settled is committed. Kafka holds each commit for some milliseconds: by time, never by message. */
const COMMIT_INTERVAL = 1000;
/** Before partitions that a topic was given later are tried again. Milliseconds. */
const RETRY_PAUSE = 2000;

/** The rules of the schema for an envelope. */
const isByTheRules = ({ topicName, qos, id }: Envelope) =>
  topicName !== '' && qos <= 2 && (id.length === 0 || id.length === 16);

/** What the intake notices besides messages. */
export interface IntakeEvents {
  undecodable(record: IncomingRecord, why: string): void;
  /** Kafka's retention removed messages before they were delivered. */
  retentionLost(count: number): void;
  /** A message came that was settled before the partition was taken over. */
  settledBefore(): void;
}

interface Deps extends Omit<PositionsDeps, 'window'> {
  readonly bus: Bus;
  readonly delivery: Delivery;
  readonly events: IntakeEvents;
}

/** Feeds an integration's message topic into its delivery, as fast as its window takes it, and commits what is settled. */
export class Intake implements AsyncDisposable {
  readonly #deps: Deps;
  readonly #share: Share;
  readonly #feeds = new Map<number, Feed>();
  /** The end offset of each partition, as last seen. */
  readonly #ends = new Map<number, number>();
  readonly #positions: Positions;
  readonly #stop = new AbortController();
  #watch: Disposable | undefined;
  #growing = Promise.resolve();
  #stopTicking: CancelTimer | undefined;

  constructor(share: Share, deps: Deps) {
    this.#share = share;
    this.#deps = deps;
    this.#positions = new Positions(share, { ...deps, window: deps.delivery.window });
  }

  /** Takes the partitions over, and begins. */
  async start(signal: AbortSignal): Promise<void> {
    const partitions = await partitionsOf(this.#share, this.#deps, signal);
    await this.#takeOver(shareOf(this.#share, partitions), signal);
    void this.#resume();
    this.#watch = this.#deps.bus.onGrown(this.#share.topic, partitions.length, (count) => {
      this.#growing = this.#growing.then(() => this.#grow(count));
    });
  }

  async #takeOver(partitions: readonly number[], signal: AbortSignal): Promise<void> {
    await this.#positions.takeOver(partitions, signal);
    for (const partition of partitions) this.#feeds.set(partition, this.#feed(partition));
  }

  /** The topic was given partitions: by an update that may not come, or by hand. Tries until this has its share of them. */
  async #grow(count: number): Promise<void> {
    const { bus, clock, logger } = this.#deps;
    const { topic } = this.#share;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        const ranges = await untilAborted(bus.offsets(topic), signal);
        if (ranges.size < count) throw new Error(`a node of Kafka knows ${ranges.size} of ${count} yet`);
        const added = shareOf(this.#share, ranges.keys()).filter((partition) => !this.#feeds.has(partition));
        for (const partition of added) this.#ends.set(partition, ranges.get(partition)!.end);
        if (added.length === 0) return;
        await this.#takeOver(added, signal);
        logger.info('a topic has grown: its new partitions are read, too', {
          topic,
          partitions: added.join(),
        });
        return;
      } catch (error) {
        if (signal.aborted) return;
        logger.warn('the new partitions of a topic are not read yet', { topic, error: messageOf(error) });
        await clock.sleep(RETRY_PAUSE, signal).catch(() => {});
      }
    }
  }

  #feed(partition: number): Feed {
    const { bus } = this.#deps;
    return bus.feed({
      topic: this.#share.topic,
      partition,
      from: this.#positions.next(partition),
      take: (record) => this.#take(record),
      onPosition: (_, end) => this.#ends.set(partition, end),
      onReset: (start) => this.#begin(partition, start),
    });
  }

  /** Messages that are in the topic and not settled. */
  get lag(): number {
    let lag = 0;
    for (const [partition, end] of this.#ends) lag += Math.max(0, end - this.#positions.settled(partition));
    return lag;
  }

  /** How many messages Kafka has that were not taken yet. Rejects when Kafka does not tell. */
  async backlog(): Promise<number> {
    const backlogs = await Promise.all([...this.#feeds.values()].map((feed) => feed.backlog()));
    return backlogs.reduce((sum, backlog) => sum + backlog, 0);
  }

  /** Reads the ends anew while nothing is fetched because the window is full: then the topic grows unseen. */
  async refreshLag(): Promise<void> {
    const { delivery, logger } = this.#deps;
    const blocked = [...this.#feeds].filter(([partition]) => !delivery.hasSpace(partition));
    try {
      await Promise.all(blocked.map(([, feed]) => feed.backlog()));
    } catch (error) {
      logger.debug('the lag is not known anew', { topic: this.#share.topic, error: messageOf(error) });
    }
  }

  async #resume(): Promise<void> {
    const { delivery } = this.#deps;
    for (let changed = delivery.changed(); !this.#stop.signal.aborted; ) {
      await changed;
      changed = delivery.changed(); // before, for taking in changes it again
      for (const feed of this.#feeds.values()) feed.resume();
    }
  }

  /** Ticks while something is taken in and not committed: thousands that have nothing to do are not to cost anything. */
  #keepTicking(): void {
    const { clock, delivery } = this.#deps;
    if (this.#stopTicking || this.#stop.signal.aborted) return;
    this.#stopTicking = clock.setTimer(() => {
      this.#stopTicking = undefined;
      if (delivery.window.size > 0 || this.#positions.areDue) this.#keepTicking();
      delivery.tick(); // the lease may be back; what had no room is offered again
      void this.#positions.commit();
    }, COMMIT_INTERVAL);
  }

  #begin(partition: number, start: number): void {
    const { delivery, logger } = this.#deps;
    const { topic } = this.#share;
    logger.warn('the topic ends before what was consumed: it was made anew', { topic, partition });
    delivery.lose(partition);
    this.#positions.begin(partition, start);
  }

  #take(record: IncomingRecord): boolean {
    const { delivery, events } = this.#deps;
    const { partition, offset, timestamp, key, value } = record;
    this.#keepTicking();
    if (!delivery.hasSpace(partition) || !delivery.window.mayReach(partition, offset)) return false;
    const lost = this.#positions.missing(partition, offset);
    if (lost > 0) events.retentionLost(lost);
    if (delivery.window.isSettled(partition, offset, timestamp)) {
      delivery.window.stepOver(partition, offset);
      events.settledBefore();
      return true;
    }
    // A copy: one message that stays long would keep the whole fetch in memory.
    const copy = value && Buffer.from(value);
    const envelope = this.#decode(record, copy);
    if (copy && envelope) delivery.take(partition, offset, key, envelope, copy);
    else delivery.window.stepOver(partition, offset);
    return true;
  }

  /** The rules of the schema for an envelope are few, and checked by hand: this runs for every message. */
  #decode(record: IncomingRecord, value: Buffer | null): Envelope | undefined {
    let why = 'it breaks the rules of penstock.v1.Envelope';
    try {
      const envelope = value === null ? undefined : decodeEnvelope(value);
      if (envelope && isByTheRules(envelope)) return envelope;
    } catch (error) {
      why = messageOf(error);
    }
    this.#deps.events.undecodable(record, why);
    return undefined;
  }

  /** Commits, and lets others work on the partitions. The delivery must have stopped. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the intake ends'));
    this.#positions.end();
    this.#watch?.[Symbol.dispose]();
    this.#stopTicking?.();
    await this.#growing;
    for (const feed of this.#feeds.values()) feed[Symbol.dispose]();
    await this.#positions.letGo();
  }
}
