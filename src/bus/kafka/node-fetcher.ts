import { type Broker, connectionTo, type Line } from '../../kafkajs/cluster.ts';
import {
  type FetchAnswer,
  type FetchedPartition,
  type FetchRequest,
  fetchExchange,
} from '../../kafkajs/fetch.ts';
import { Change } from '../../runtime/change.ts';
import type { Clock } from '../../runtime/clock.ts';
import { EndOffsets } from './end-offsets.ts';
import { FetchQueue } from './fetch-queue.ts';
import { FetchSession } from './fetch-session.ts';
import { nameOf, type PartitionFeed } from './partition-feed.ts';

const MAX_BYTES = 8 << 20;
const MAX_PARTITION_BYTES = 1 << 20;
const MIN_PARTITION_BYTES = 64 << 10;
/** What is fetched and not taken keeps no more than this in memory; what is beyond is fetched again. */
const MAX_HELD = 64 << 20;
/** Between two prompt fetches that bring nothing, in milliseconds. */
const PAUSE = 10;

const SESSION_ERRORS = new Set([70, 71, 106]);
const QUIET: Line = 1;
const PROMPT: Line = 0;

interface Deps {
  /** The node's client, connected. */
  broker(): Promise<Broker>;
  readonly maxWait: number;
  readonly clock: Clock;
  /** Nothing comes from the node: everything it feeds is to be looked for anew. */
  failed(error: unknown): void;
  /** Kafka does not give what the feed wants from here: another node leads it, it is gone, its position is. */
  misplaced(feed: PartitionFeed, errorCode: number): void;
  /** What was fetched cannot be read, such as a compression that is not known. */
  unreadable(feed: PartitionFeed, error: unknown): void;
}

/**
 * Fetches everything that one node leads, with two requests side by side. The quiet one waits long for what has no records;
 * one that is on its way takes in nothing more. So what wants to be fetched meanwhile, because it is new or there is room
 * again, goes into a prompt one, until the next quiet one takes it.
 */
export class NodeFetcher {
  readonly #deps: Deps;
  readonly #feeds = new Map<string, PartitionFeed>();
  readonly #session = new FetchSession();
  readonly #queue = new FetchQueue(this.#session);
  /** What was fetched and was not taken; who waits for longest is first. */
  readonly #holding = new Set<PartitionFeed>();
  readonly #stop = new AbortController();
  readonly ends: EndOffsets;
  /** Of what there is to fetch. */
  readonly #change = new Change();

  constructor(deps: Deps) {
    this.#deps = deps;
    this.ends = new EndOffsets(deps);
  }

  get feeds(): readonly PartitionFeed[] {
    return [...this.#feeds.values()];
  }

  /** Resolves when nothing is fetched any more. */
  async run(): Promise<void> {
    const loops = [this.#quietly(), this.#promptly()];
    try {
      await Promise.all(loops);
    } catch (error) {
      const hasFailed = !this.#stop.signal.aborted;
      this.stop();
      if (hasFailed) this.#deps.failed(error);
    }
    await Promise.allSettled(loops);
  }

  /** Nothing is taken in any more. */
  stop(): void {
    this.#stop.abort();
    for (const feed of this.#feeds.values()) feed.isBusy = false;
    this.#change.tell();
  }

  add(feed: PartitionFeed): void {
    const before = this.#feeds.get(feed.name);
    if (before) this.#queue.displace(before);
    this.#feeds.set(feed.name, feed);
    this.#session.nameAnew(feed);
    feed.isBusy = false;
    feed.isQuiet = false;
    this.changed(feed);
  }

  has(feed: PartitionFeed): boolean {
    return this.#feeds.get(feed.name) === feed;
  }

  remove(feed: PartitionFeed): void {
    if (!this.has(feed)) return;
    this.#queue.displace(feed);
    this.#feeds.delete(feed.name);
  }

  /** It may want to be fetched. */
  changed(feed: PartitionFeed): void {
    if (!this.has(feed)) return;
    this.#queue.place(feed);
    this.#change.tell();
  }

  async #quietly(): Promise<void> {
    const { maxWait } = this.#deps;
    while (!this.#stop.signal.aborted) {
      this.#queue.takeQuiet();
      if (this.#session.size === 0) {
        await this.#change.next();
        continue;
      }
      const answer = await this.#fetch(QUIET, { ...this.#session.next(), maxWait });
      if (SESSION_ERRORS.has(answer.errorCode)) this.#session.reset();
      else this.#session.answered(answer.sessionId);
      // Not one that took the place of the one that was asked for.
      await this.#hand(answer, (feed) => this.#session.has(feed), true);
      this.#change.tell();
    }
  }

  async #promptly(): Promise<void> {
    const { clock } = this.#deps;
    const noSession = { sessionId: 0, sessionEpoch: -1, forgotten: [], maxWait: 0 };
    let next = 0;
    while (!this.#stop.signal.aborted) {
      const change = this.#change.next();
      const now = clock.monotonic();
      const feeds = this.#queue.takePrompt(now >= next);
      if (feeds.size === 0) {
        // What is quiet may be taken by the quiet fetch meanwhile.
        const isIdle = !this.#queue.hasWaiting;
        await (isIdle ? change : Promise.race([change, clock.sleep(PAUSE)]));
        continue;
      }
      const answer = await this.#fetch(PROMPT, { ...noSession, partitions: [...feeds] });
      await this.#hand(answer, (feed) => feeds.has(feed), false);
      for (const feed of feeds) {
        if (!this.has(feed)) continue;
        feed.isBusy = false;
        this.#queue.place(feed);
      }
      this.#change.tell();
      if (now >= next) next = clock.monotonic() + PAUSE;
      await Promise.resolve(); // the quiet fetch takes its feeds first
    }
  }

  async #fetch(
    line: Line,
    request: Omit<FetchRequest, 'maxBytes' | 'maxPartitionBytes'>,
  ): Promise<FetchAnswer> {
    const share = Math.floor(MAX_HELD / 2 / (this.#held().length + 1));
    const maxPartitionBytes = Math.max(MIN_PARTITION_BYTES, Math.min(MAX_PARTITION_BYTES, share));
    const broker = await this.#deps.broker();
    const connection = await connectionTo(broker, line);
    const answer = await connection.send(
      fetchExchange({ ...request, maxBytes: MAX_BYTES, maxPartitionBytes }),
    );
    if (this.#stop.signal.aborted) throw new Error('nothing is fetched any more');
    return answer;
  }

  async #hand(
    answer: FetchAnswer,
    wasAsked: (feed: PartitionFeed) => boolean,
    isQuiet: boolean,
  ): Promise<void> {
    const bytes = answer.partitions.reduce((sum, { records }) => sum + records.length, 0);
    for (const fetched of answer.partitions) {
      const feed = this.#feeds.get(nameOf(fetched.topic, fetched.partition));
      if (feed && wasAsked(feed) && !feed.isClosed) await this.#handOne(feed, fetched, bytes, isQuiet);
    }
    this.#letGo();
  }

  async #handOne(
    feed: PartitionFeed,
    fetched: FetchedPartition,
    bytes: number,
    isQuiet: boolean,
  ): Promise<void> {
    if (fetched.errorCode !== 0) {
      this.remove(feed);
      this.#deps.misplaced(feed, fetched.errorCode);
      return;
    }
    feed.isQuiet = isQuiet || fetched.records.length === 0;
    feed.isStarved = false;
    try {
      await feed.accept(fetched, bytes);
      if (fetched.records.length === 0 && feed.position < fetched.end) this.#missed(feed, fetched.end, bytes);
    } catch (error) {
      feed.discard();
      this.remove(feed);
      this.#deps.unreadable(feed, error);
      return;
    }
    if (feed.held > 0) this.#holding.add(feed);
    if (isQuiet && this.has(feed)) this.#queue.place(feed);
  }

  /**
   * Kafka gave no records although it does not end here. When it gave none to anybody, compaction took them away, and
   * nothing else would move the position there; in a topic that is not compacted they are only not to be had at the moment.
   * Otherwise a first record may have been too large beside those of others: it comes alone.
   */
  #missed(feed: PartitionFeed, end: number, bytes: number): void {
    if (bytes === 0) {
      if (feed.isCompacted) feed.skipToEnd(end);
    } else {
      feed.isQuiet = false;
      feed.isStarved = true;
    }
  }

  /** What holds something, of all that did. */
  #held(): readonly PartitionFeed[] {
    for (const feed of this.#holding) if (feed.held === 0) this.#holding.delete(feed);
    return [...this.#holding];
  }

  /** Whoever waits for longest lets go first. */
  #letGo(): void {
    const holding = this.#held();
    let held = holding.reduce((sum, feed) => sum + feed.held, 0);
    for (const feed of holding) {
      if (held <= MAX_HELD) return;
      held -= feed.held;
      feed.discard();
    }
  }
}
