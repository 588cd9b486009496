import { type DeadLetter, type Envelope, EnvelopeSchema } from '../../../gen/penstock/v1/envelope_pb.ts';
import type { Feed, IncomingRecord } from '../../bus/bus.ts';
import { decoder } from '../../bus/codec.ts';
import type { Clock } from '../../runtime/clock.ts';
import { messageOf } from '../../runtime/logger.ts';
import { OutcomeTracker } from './outcome-tracker.ts';
import type { Letter, MessageDeps } from './outcomes.ts';
import type { ReadBudget } from './read-budget.ts';

/** How often what became of messages is looked at, in milliseconds. */
const LOOK_INTERVAL = 1000;
/** So many looks in a row may fail, then all who watch end with the error. */
const MAX_FAILURES = 10;

/** Who is told what comes into a topic. */
export interface MessageWatcher {
  /** A record came. @param read its envelope, decoded for the first who asks; undefined: it cannot be */
  offer(record: IncomingRecord, read: () => Envelope | undefined): void;
  /** So many came and were not looked at. */
  leaveOut(messages: number): void;
  /** Whether it waits for outcomes. */
  readonly isAwaiting: boolean;
  /** A message was given up. */
  offerLetter(letter: Letter, deadLetter: DeadLetter): void;
  /** There was a look at what became of messages. */
  settle(outcomes: Pick<OutcomeTracker, 'outcomeOf'>): void;
  /** Ends it with this error. */
  fail(error: unknown): void;
}

export interface FeedDeps extends MessageDeps {
  readonly clock: Clock;
}

/** What comes into one message topic, for all who watch it: from the ends that it has when the first one does. */
export class MessageFeed implements Disposable {
  readonly #deps: FeedDeps;
  readonly #topic: string;
  readonly #budget: ReadBudget;
  readonly #tracker: OutcomeTracker;
  readonly #watchers = new Set<MessageWatcher>();
  readonly #feeds = new Map<number, Feed>();
  /** Of each partition the next offset that is told. */
  readonly #next = new Map<number, number>();
  readonly #over = new AbortController();
  readonly #decode;
  readonly #resources = new DisposableStack();
  /** More came than is read in a second. */
  #isResting = false;
  /** Resolves when it follows; rejects when Kafka does not tell from where. */
  readonly begun: Promise<void>;

  constructor(deps: FeedDeps, integrationId: string, budget: ReadBudget) {
    this.#deps = deps;
    this.#topic = deps.topics.messages(integrationId).name;
    this.#budget = budget;
    this.#tracker = new OutcomeTracker(deps, integrationId);
    this.#decode = decoder(EnvelopeSchema, deps);
    this.begun = this.#begin();
    this.begun.catch(() => {}); // whoever joins is told
  }

  get isWatched(): boolean {
    return this.#watchers.size > 0;
  }

  add(watcher: MessageWatcher): void {
    this.#watchers.add(watcher);
  }

  remove(watcher: MessageWatcher): void {
    this.#watchers.delete(watcher);
  }

  /** Of each partition the next offset that is told: what is before is not. */
  get positions(): ReadonlyMap<number, number> {
    return new Map(this.#next);
  }

  async #begin(): Promise<void> {
    const { bus } = this.#deps;
    await this.#tracker.begin();
    const ranges = await bus.offsets(this.#topic);
    if (this.#over.signal.aborted) return;
    for (const [partition, { end }] of ranges) this.#follow(partition, end);
    const known = ranges.size;
    const grown = (partitions: number) => {
      for (let one = known; one < partitions; one++) if (!this.#feeds.has(one)) this.#follow(one, 0);
    };
    this.#resources.use(bus.onGrown(this.#topic, known, grown));
    void this.#looks();
  }

  #follow(partition: number, from: number): void {
    this.#next.set(partition, from);
    const feed = this.#deps.bus.feed({
      topic: this.#topic,
      partition,
      from,
      take: (record) => this.#take(record),
      onReset: (start) => void this.#next.set(partition, start),
    });
    this.#feeds.set(partition, feed);
  }

  #take(record: IncomingRecord): boolean {
    if (this.#isResting || !this.#budget.spend(record.value?.byteLength ?? 0)) {
      if (!this.#isResting) void this.#rest();
      return false;
    }
    this.#next.set(record.partition, record.offset + 1);
    let envelope: Envelope | undefined;
    let isRead = false;
    const read = () => {
      if (!isRead) envelope = this.#decode(record);
      isRead = true;
      return envelope;
    };
    for (const watcher of this.#watchers) watcher.offer(record, read);
    return true;
  }

  /** Reads nothing for the rest of a second, and goes on at the end: a tail is to be of now. */
  async #rest(): Promise<void> {
    const { clock, bus, logger } = this.#deps;
    const { signal } = this.#over;
    this.#isResting = true;
    try {
      await clock.sleep(this.#budget.wait, signal);
      const ranges = await bus.offsets(this.#topic);
      if (signal.aborted) return;
      this.#isResting = false;
      // One that has grown since is not among the ranges.
      for (const [partition, feed] of [...this.#feeds]) {
        const range = ranges.get(partition);
        if (range) this.#skipTo(partition, range.end);
        else feed.resume();
      }
    } catch (error) {
      if (signal.aborted) return;
      logger.debug('the end of a watched topic is not known', {
        topic: this.#topic,
        error: messageOf(error),
      });
      this.#isResting = false;
      for (const feed of this.#feeds.values()) feed.resume();
    }
  }

  #skipTo(partition: number, end: number): void {
    const next = this.#next.get(partition) ?? 0;
    const feed = this.#feeds.get(partition);
    if (!feed || end <= next) {
      feed?.resume();
      return;
    }
    feed[Symbol.dispose]();
    for (const watcher of this.#watchers) watcher.leaveOut(end - next);
    this.#follow(partition, end);
  }

  async #looks(): Promise<void> {
    const { clock } = this.#deps;
    const { signal } = this.#over;
    for (let failures = 0; !signal.aborted; ) {
      try {
        if ([...this.#watchers].some(({ isAwaiting }) => isAwaiting)) await this.#look();
        failures = 0;
      } catch (error) {
        failures++;
        if (failures >= MAX_FAILURES) for (const watcher of this.#watchers) watcher.fail(error);
      }
      await clock.sleep(LOOK_INTERVAL, signal).catch(() => {});
    }
  }

  async #look(): Promise<void> {
    await this.#tracker.look((letter, deadLetter) => {
      for (const watcher of this.#watchers) watcher.offerLetter(letter, deadLetter);
    });
    for (const watcher of this.#watchers) watcher.settle(this.#tracker);
  }

  [Symbol.dispose](): void {
    this.#over.abort(new Error('nobody watches any more'));
    for (const feed of this.#feeds.values()) feed[Symbol.dispose]();
    this.#resources.dispose();
  }
}
