import { type Backoff, backoffPause } from '../runtime/backoff.ts';
import type { Clock } from '../runtime/clock.ts';
import { withDeadline } from '../runtime/deadline.ts';
import { type Cluster, withCluster } from './cluster.ts';
import { learnTopics } from './metadata.ts';
import { type Judge, type Outgoing, UNUSED } from './outgoing.ts';
import type { PartitionQueue } from './partition-queue.ts';
import { type Partitions, ProducerTopic } from './producer-topic.ts';

interface Deps<T extends Outgoing> {
  readonly cluster: Cluster;
  /** Aborts when the producer closes. */
  readonly closing: AbortSignal;
  readonly clock: Clock;
  random(): number;
  /** So soon Kafka is asked for partitions that were added, in milliseconds. */
  readonly metadataAge: number;
  readonly requestTimeout: number;
  readonly retry: Backoff;
  place(record: T, partitions: Partitions): number;
  readonly judge: Judge<T>;
  /** It is known anew who leads it, and something waits in it. */
  led(queue: PartitionQueue<T>): void;
  /** Something waits for the next look. */
  waits(): void;
  /** Nobody knows any more up to where the batches of its partitions were numbered. */
  forgot(topic: ProducerTopic<T>): void;
  /** Kafka could not be asked. */
  failed(error: unknown): void;
}

const TOPICS_IN_REQUEST = 1000;

/** The topics that a producer has records for, and who leads their partitions. */
export class ProducerTopics<T extends Outgoing> {
  readonly #deps: Deps<T>;
  readonly #topics = new Map<string, ProducerTopic<T>>();
  #looking: Promise<void> | undefined;
  /** Looks in a row that failed. */
  #failures = 0;

  constructor(deps: Deps<T>) {
    this.#deps = deps;
  }

  /** Answers where the record waits; undefined: for the partitions of its topic to be known. */
  add(record: T): PartitionQueue<T> | undefined {
    const { clock, metadataAge, place } = this.#deps;
    let topic = this.#topics.get(record.topic);
    if (!topic) {
      topic = new ProducerTopic<T>(record.topic, place);
      this.#topics.set(topic.name, topic);
    }
    topic.used = clock.monotonic();
    const queue = topic.add(record);
    if (topic.used - Math.max(topic.learned, topic.looked) >= metadataAge) this.#look();
    return queue;
  }

  get isEmpty(): boolean {
    for (const topic of this.#topics.values()) if (!topic.isEmpty) return false;
    return true;
  }

  /** It is not as Kafka told: it is asked again. */
  doubt(name: string): void {
    const topic = this.#topics.get(name);
    if (topic) topic.isStale = true;
  }

  /** Judges what waits for Kafka to tell, and asks it; answers whether anything does. */
  tick(): boolean {
    const waiting = [...this.#topics.values()].filter((topic) => topic.needsLook);
    for (const topic of waiting) topic.judge(this.#deps.judge, false);
    if (waiting.length > 0) this.#look();
    return waiting.length > 0;
  }

  #look(): void {
    if (this.#deps.closing.aborted) return;
    this.#looking ??= this.#lookUp().finally(() => {
      this.#looking = undefined;
    });
  }

  async #lookUp(): Promise<void> {
    const { cluster, closing, clock, random, judge, metadataAge, requestTimeout, retry } = this.#deps;
    const pause = this.#failures > 0 ? backoffPause(retry, this.#failures, random()) : 0;
    if (pause > 0) await clock.sleep(pause, closing).catch(() => {});
    const now = clock.monotonic();
    this.#forget(now);
    const due = [...this.#topics.values()].filter(
      ({ needsLook, isKnown, learned, used }) =>
        needsLook || (isKnown && now - learned >= metadataAge && now - used < metadataAge),
    );
    for (let i = 0; i < due.length && !closing.aborted; i += TOPICS_IN_REQUEST) {
      const part = due.slice(i, i + TOPICS_IN_REQUEST);
      for (const topic of part) topic.looked = now;
      try {
        const learned = withCluster(cluster, this.#learn(part));
        await withDeadline(clock, requestTimeout, 'asking Kafka who leads the topics', learned, closing);
        this.#failures = 0;
      } catch (error) {
        this.#failures++;
        for (const topic of part) topic.lookFailed(error);
        this.#deps.failed(error);
      }
      for (const topic of part) {
        if (!topic.needsLook) continue;
        topic.judge(judge, true);
        this.#deps.waits();
      }
    }
  }

  async #learn(topics: readonly ProducerTopic<T>[]): Promise<void> {
    const { cluster, clock, led } = this.#deps;
    await cluster.connect();
    const names = topics.map(({ name }) => name);
    for (const told of await learnTopics(cluster, names)) {
      const queues = this.#topics.get(told.topic)?.learn(told, clock.monotonic()) ?? [];
      for (const queue of queues) led(queue);
    }
  }

  #forget(now: number): void {
    for (const topic of this.#topics.values()) {
      if (!topic.isEmpty || now - topic.used < UNUSED) continue;
      this.#topics.delete(topic.name);
      this.#deps.forgot(topic);
    }
  }

  /** Settles everything with this error. Resolves when nothing is asked any more. */
  async end(error: unknown): Promise<void> {
    for (const topic of this.#topics.values()) topic.end(error);
    await this.#looking;
  }
}
