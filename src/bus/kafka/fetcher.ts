import type { Kafka } from 'kafkajs';
import { type Cluster, closeCluster, createCluster, withCluster } from '../../kafkajs/cluster.ts';
import { soundTopic, type TopicMetadata, topicMetadata } from '../../kafkajs/metadata.ts';
import { backoffPause } from '../../runtime/backoff.ts';
import { Change } from '../../runtime/change.ts';
import type { Clock } from '../../runtime/clock.ts';
import { withDeadline } from '../../runtime/deadline.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import { BusError, type Feed, type FeedOptions, type OffsetRange, type TopicPartition } from '../bus.ts';
import { NodeFetcher } from './node-fetcher.ts';
import { PartitionCounts } from './partition-counts.ts';
import { nameOf, PartitionFeed } from './partition-feed.ts';
import { TopicQuestions } from './topic-questions.ts';

const DEADLINE = 10_000;
const CLOSE_DEADLINE = 2000;
const RETRY = { initial: 100, max: 2000 };
/** Before a node or a leader that failed is asked for again, in milliseconds. */
const PAUSE = 200;
/** Topics asked for at a time. */
const TOPICS = 200;
const OFFSET_OUT_OF_RANGE = 1;

interface Deps {
  readonly clock: Clock;
  readonly logger: Logger;
  random(): number;
  /** The offsets of each partition of a topic. */
  offsets(topic: string): Promise<ReadonlyMap<number, OffsetRange>>;
}

/** Feeds partitions, all of a node together: finds who leads each, and finds it again when that changes. */
export class Fetcher implements AsyncDisposable {
  readonly #cluster: Cluster;
  readonly #maxWait: number;
  readonly #deps: Deps;
  readonly #nodes = new Map<number, NodeFetcher>();
  readonly #running = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  /** The names of all that is fed. */
  readonly #names = new Set<string>();
  /** What no node fetches. */
  readonly #homeless = new Set<PartitionFeed>();
  readonly #counts: PartitionCounts;
  readonly #questions = new TopicQuestions((topics) => this.#metadata(topics));
  #connecting: Promise<void> | undefined;
  #homing: Promise<void> | undefined;
  /** There is more to look for. */
  readonly #more = new Change();
  #hasFailed = false;

  /** @param maxWait how long a fetch waits for records, in milliseconds */
  constructor(kafka: Kafka, maxWait: number, deps: Deps) {
    this.#cluster = createCluster(kafka);
    this.#maxWait = maxWait;
    this.#deps = deps;
    this.#counts = new PartitionCounts({ ...deps, metadata: (topics) => this.#metadata(topics) });
  }

  /** Whether the partition is fed already: a fetch asks for one position of it. */
  feeds({ topic, partition }: TopicPartition): boolean {
    return this.#names.has(nameOf(topic, partition));
  }

  feed(options: FeedOptions): Feed {
    this.#names.add(nameOf(options.topic, options.partition));
    const feed: PartitionFeed = new PartitionFeed(options, {
      changed: () => this.#changed(feed),
      end: () => this.#end(feed),
    });
    this.#lookFor(feed);
    return feed;
  }

  #changed(feed: PartitionFeed): void {
    if (feed.isClosed) {
      this.#names.delete(feed.name);
      this.#homeless.delete(feed);
      for (const node of this.#nodes.values()) node.remove(feed);
    } else for (const node of this.#nodes.values()) node.changed(feed);
  }

  async #end(feed: PartitionFeed): Promise<number> {
    for (const node of this.#nodes.values()) if (node.has(feed)) return await node.ends.of(feed);
    throw new BusError('failed', `nobody leads ${feed.topic} for now`);
  }

  #lookFor(...feeds: readonly PartitionFeed[]): void {
    for (const feed of feeds) if (!feed.isClosed) this.#homeless.add(feed);
    if (this.#stop.signal.aborted || this.#homeless.size === 0) return;
    if (feeds.length > 0) this.#more.tell();
    this.#homing ??= Promise.resolve()
      .then(() => this.#home())
      .finally(() => {
        this.#homing = undefined;
        this.#lookFor();
      });
  }

  /** Finds the leaders of what has none, until none is left. */
  async #home(): Promise<void> {
    const { clock, logger, random } = this.#deps;
    const stop = this.#stop.signal;
    for (let attempt = 1; this.#homeless.size > 0 && !stop.aborted; attempt++) {
      const more = this.#more.next();
      try {
        const topics = [...new Set([...this.#homeless].map(({ topic }) => topic))];
        for (let i = 0; i < topics.length; i += TOPICS) {
          this.#place(await this.#metadata(topics.slice(i, i + TOPICS)));
        }
      } catch (error) {
        logger.debug('who leads what is not known yet', { error: messageOf(error) });
        this.#hasFailed = true;
      }
      if (this.#homeless.size === 0) return;
      if (attempt === 10) {
        const [first] = this.#homeless;
        logger.warn('there is nobody to fetch from', { topic: first!.topic, count: this.#homeless.size });
      }
      // What comes new does not wait with those that nobody leads.
      const pause = clock.sleep(backoffPause(RETRY, attempt, random()), stop).catch(() => {});
      await Promise.race([pause, more]);
    }
  }

  #place(topics: readonly TopicMetadata[]): void {
    const leaders = new Map<string, number>();
    for (const { topic, topicErrorCode, partitionMetadata } of topics) {
      if (topicErrorCode !== 0) continue;
      for (const { partitionId, leader } of partitionMetadata) leaders.set(`${topic}/${partitionId}`, leader);
    }
    for (const feed of [...this.#homeless]) {
      const leader = leaders.get(feed.name) ?? -1;
      if (leader < 0) continue;
      this.#homeless.delete(feed);
      this.#node(leader).add(feed);
    }
  }

  #node(nodeId: number): NodeFetcher {
    const known = this.#nodes.get(nodeId);
    if (known) return known;
    const { logger } = this.#deps;
    const node: NodeFetcher = new NodeFetcher({
      broker: () => this.#cluster.findBroker({ nodeId }),
      maxWait: this.#maxWait,
      clock: this.#deps.clock,
      failed: (error) => {
        logger.debug('a node does not answer', { nodeId, error: messageOf(error) });
        this.#hasFailed = true;
        if (this.#nodes.get(nodeId) === node) this.#nodes.delete(nodeId);
        this.#lookLater(...node.feeds);
      },
      misplaced: (feed, errorCode) => {
        if (errorCode === OFFSET_OUT_OF_RANGE) void this.#reset(feed);
        else this.#lookLater(feed);
      },
      unreadable: (feed, error) => {
        const { topic, partition, position } = feed;
        logger.error('cannot read a topic', { topic, partition, position, error: messageOf(error) });
        this.#lookLater(feed);
      },
    });
    this.#nodes.set(nodeId, node);
    const running = node.run();
    this.#running.add(running);
    void running.then(() => this.#running.delete(running));
    return node;
  }

  /** The position is not there: retention was faster, or the topic was made anew. */
  async #reset(feed: PartitionFeed): Promise<void> {
    try {
      const range = (await this.#deps.offsets(feed.topic)).get(feed.partition);
      if (range && !feed.isClosed && (feed.position < range.start || feed.position > range.end)) {
        feed.reset(range.start, range.end);
      }
    } catch (error) {
      this.#deps.logger.debug('the offsets are not known', { topic: feed.topic, error: messageOf(error) });
    }
    this.#lookLater(feed);
  }

  #lookLater(...feeds: readonly PartitionFeed[]): void {
    const { clock } = this.#deps;
    clock.sleep(PAUSE, this.#stop.signal).then(
      () => this.#lookFor(...feeds),
      () => {}, // closed meanwhile
    );
  }

  /** The partitions of a topic. */
  async partitions(topic: string): Promise<readonly number[]> {
    const found = await this.#questions.of(topic);
    if (found?.topicErrorCode !== 0) throw new BusError('unknown-topic', `there is no topic ${topic}`);
    return found.partitionMetadata.map(({ partitionId }) => partitionId);
  }

  /** See `Bus.onGrown`. */
  onGrown(topic: string, known: number, grown: (partitions: number) => void): Disposable {
    return this.#counts.watch(topic, known, grown);
  }

  async #metadata(topics: readonly string[]): Promise<readonly TopicMetadata[]> {
    try {
      const answer = withCluster(this.#cluster, this.#askFor(topics));
      return await withDeadline(this.#deps.clock, DEADLINE, 'reading metadata', answer);
    } catch (error) {
      this.#hasFailed = true;
      throw new BusError('failed', `reading metadata: ${messageOf(error)}`, { cause: error });
    }
  }

  async #askFor(topics: readonly string[]): Promise<readonly TopicMetadata[]> {
    this.#connecting ??= this.#cluster.connect().finally(() => {
      this.#connecting = undefined;
    });
    await this.#connecting;
    const { brokerPool } = this.#cluster;
    const answer = await topicMetadata(await brokerPool.findConnectedBroker(), topics);
    const sound = soundTopic(answer);
    const known = new Set(this.#cluster.getNodeIds());
    const isKnown = answer.every(({ partitionMetadata }) =>
      partitionMetadata.every(({ leader }) => leader < 0 || known.has(String(leader))),
    );
    if (sound !== undefined && (this.#hasFailed || !isKnown)) {
      await brokerPool.refreshMetadata([sound]);
      this.#hasFailed = false;
    }
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#counts[Symbol.dispose]();
    for (const node of this.#nodes.values()) node.stop();
    const closed = closeCluster(this.#cluster, Promise.all([...this.#running, this.#homing]));
    await withDeadline(this.#deps.clock, CLOSE_DEADLINE, 'closing', closed).catch(() => {}); // its fetches end later
  }
}
