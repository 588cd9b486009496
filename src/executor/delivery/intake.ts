import type { Envelope } from '../../../gen/penstock/v1/envelope_pb.ts';
import type { Bus, Consumer, IncomingRecord, RecordBatch } from '../../bus/bus.ts';
import type { Topics } from '../../bus/topics.ts';
import { decodeEnvelope } from '../../contract/decode-envelope.ts';
import type { Clock } from '../../runtime/clock.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import type { Delivery } from './delivery.ts';

/** How often what is settled is committed. Kafka holds each commit for some milliseconds: by time, never by message. */
const COMMIT_INTERVAL = 1000;
const HEARTBEAT_INTERVAL = 500;

/** What the intake notices besides messages. */
export interface IntakeEvents {
  undecodable(record: IncomingRecord, why: string): void;
  /** Kafka's retention removed messages before they were delivered. */
  retentionLost(count: number): void;
}

interface Deps {
  readonly bus: Bus;
  readonly topics: Topics;
  readonly delivery: Delivery;
  readonly events: IntakeEvents;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Feeds an integration's message topic into its delivery, as fast as its window takes it, and commits what is settled. */
export class Intake implements AsyncDisposable {
  readonly #deps: Deps;
  readonly #topic: string;
  #groupId = '';
  /** The partitions that this member has. */
  owned: ReadonlySet<number> = new Set();
  /** The end offset of each owned partition, as last seen. */
  readonly #ends = new Map<number, number>();
  /** Where each partition resumes or was last committed. */
  #committed = new Map<number, number>();
  /** Another one with each join of the group. */
  #membership: { resumed?: Promise<void> | undefined; isCaughtUp?: true } = {};
  #consumer: Consumer | undefined;
  #stopTicking = () => {};
  #lastCommit = Promise.resolve();
  #nextCommit: Promise<void> | undefined;

  constructor(integrationId: string, deps: Deps) {
    this.#topic = deps.topics.messages(integrationId).name;
    this.#deps = deps;
  }

  /** Joins the integration's group and begins. */
  async start(groupId: string, maxWait: number, signal: AbortSignal): Promise<void> {
    const { bus } = this.#deps;
    this.#groupId = groupId;
    this.#committed = new Map(await bus.committed(groupId, this.#topic));
    this.#consumer = await bus.consume({
      groupId,
      topics: [this.#topic],
      maxWait,
      signal,
      eachBatch: (batch) => this.#eachBatch(batch),
      onAssigned: (partitions) => this.#own(new Set(partitions.map(({ partition }) => partition))),
    });
    this.#tick();
  }

  /** Whether what was taken in may still leave; see `Consumer.holdsLease`. */
  get holdsLease(): boolean {
    if (!this.#membership.isCaughtUp) return false;
    return this.#consumer?.holdsLease() ?? true; // it has joined, and is not told yet
  }

  /** Messages that are in the topic and not settled. */
  get lag(): number {
    const settled = new Map(
      this.#deps.delivery.window.committable().map((one) => [one.partition, one.offset]),
    );
    let lag = 0;
    for (const [partition, end] of this.#ends) lag += Math.max(0, end - (settled.get(partition) ?? end));
    return lag;
  }

  /** Reads the ends anew while nothing is fetched because the window is full: then the topic grows unseen. */
  async refreshLag(): Promise<void> {
    const { bus, delivery, logger } = this.#deps;
    const blocked = [...this.#ends.keys()].filter((partition) => !delivery.hasSpace(partition));
    if (blocked.length === 0) return;
    try {
      const offsets = await bus.offsets(this.#topic);
      for (const partition of blocked) this.#ends.set(partition, offsets.get(partition)?.end ?? 0);
    } catch (error) {
      logger.debug('the lag is not known anew', { topic: this.#topic, error: messageOf(error) });
    }
  }

  #own(partitions: ReadonlySet<number>): void {
    this.#membership = {};
    this.owned = partitions;
    for (const partition of this.#ends.keys()) if (!partitions.has(partition)) this.#ends.delete(partition);
    this.#deps.delivery.own(partitions);
    this.#resume().catch((error) => {
      this.#deps.logger.debug('where to go on is not known yet', {
        topic: this.#topic,
        error: messageOf(error),
      });
    });
  }

  #tick(): void {
    this.#stopTicking = this.#deps.clock.setTimer(() => {
      this.#deps.delivery.tick(); // lets a batch that waits for space send its heartbeat
      void this.commit();
      this.#tick();
    }, COMMIT_INTERVAL);
  }

  async #eachBatch(batch: RecordBatch): Promise<void> {
    const { delivery, clock } = this.#deps;
    const { partition } = batch;
    const membership = this.#membership;
    const isOver = () => delivery.hasStopped || membership !== this.#membership || !batch.isRunning();
    let heartbeat = clock.monotonic();
    let taken: number | undefined;
    try {
      await this.#resume();
      if (isOver()) return;
      this.#see(batch);
      for (const record of batch.records) {
        if (!delivery.hasSpace(partition)) {
          if (taken !== undefined) batch.takenIn(taken);
          while (!delivery.hasSpace(partition) && !isOver()) {
            await delivery.changed();
            if (clock.monotonic() - heartbeat < HEARTBEAT_INTERVAL) continue;
            await batch.heartbeat();
            heartbeat = clock.monotonic();
          }
          if (isOver()) return;
        }
        this.#take(record);
        taken = record.offset;
      }
      if (taken !== undefined) batch.takenIn(taken);
    } catch (error) {
      await this.commit(); // the group rebalances: a commit is still taken
      throw error;
    }
  }

  /** Once after each join, before anything leaves or is committed: another executor may have gone further meanwhile. */
  #resume(): Promise<void> {
    const membership = this.#membership;
    membership.resumed ??= this.#catchUp(membership).catch((error) => {
      membership.resumed = undefined;
      throw error;
    });
    return membership.resumed;
  }

  async #catchUp(membership: object): Promise<void> {
    const { bus, delivery } = this.#deps;
    const committed = await bus.committed(this.#groupId, this.#topic);
    if (membership !== this.#membership) return;
    for (const { partition, offset } of delivery.window.committable()) {
      if (offset < (committed.get(partition) ?? -1)) delivery.lose(partition);
    }
    for (const [partition, offset] of committed) {
      this.#committed.set(partition, Math.max(offset, this.#committed.get(partition) ?? -1));
    }
    this.#membership.isCaughtUp = true;
    delivery.tick();
  }

  #see({ partition, endOffset }: RecordBatch): void {
    const { delivery, logger } = this.#deps;
    this.#ends.set(partition, endOffset);
    if (endOffset >= (delivery.window.next(partition) ?? this.#committed.get(partition) ?? 0)) return;
    logger.warn('the topic ends before what was consumed: it was made anew', {
      topic: this.#topic,
      partition,
    });
    delivery.lose(partition);
    this.#committed.delete(partition);
  }

  #take(record: IncomingRecord): void {
    const { delivery, events } = this.#deps;
    const { partition, offset, key, value } = record;
    const next = delivery.window.next(partition) ?? this.#committed.get(partition);
    if (next !== undefined && offset < next) return; // taken in before a rejoin, and still in the window
    if (next !== undefined && offset > next) events.retentionLost(offset - next);
    // A copy: one message that stays long would keep the whole fetch in memory.
    const copy = value && Buffer.from(value);
    const envelope = this.#decode(record, copy);
    if (copy && envelope) delivery.take(partition, offset, key, envelope, copy);
    else delivery.window.stepOver(partition, offset);
  }

  /** The rules of the schema for an envelope are few, and checked by hand: this runs for every message. */
  #decode(record: IncomingRecord, value: Buffer | null): Envelope | undefined {
    let why = 'it breaks the rules of penstock.v1.Envelope';
    try {
      const envelope = value === null ? undefined : decodeEnvelope(value);
      if (envelope && envelope.topicName !== '' && envelope.qos <= 2) return envelope;
    } catch (error) {
      why = messageOf(error);
    }
    this.#deps.events.undecodable(record, why);
    return undefined;
  }

  /**
   * Commits what is settled and not committed yet, one commit at a time. A refusal is not an error: the next commit says it
   * again.
   */
  commit(): Promise<void> {
    this.#nextCommit ??= this.#lastCommit.then(() => {
      this.#nextCommit = undefined;
      this.#lastCommit = this.#commit();
      return this.#lastCommit;
    });
    return this.#nextCommit;
  }

  async #commit(): Promise<void> {
    const membership = this.#membership;
    if (!this.#consumer) return;
    try {
      await this.#resume();
      if (membership !== this.#membership) return;
      const due = this.#deps.delivery.window
        .committable()
        .filter(({ partition, offset }) => offset > (this.#committed.get(partition) ?? -1));
      if (due.length === 0) return;
      await this.#consumer.commit(due.map((one) => ({ ...one, topic: this.#topic })));
      for (const { partition, offset } of due) this.#committed.set(partition, offset);
    } catch (error) {
      this.#deps.logger.debug('not committed', { topic: this.#topic, error: messageOf(error) });
    }
  }

  /** Commits and leaves the group. The delivery must have stopped. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopTicking();
    await this.commit();
    const consumer = this.#consumer;
    this.#consumer = undefined;
    await consumer?.[Symbol.asyncDispose]();
  }
}
