import type { FetchRequest } from '../../kafkajs/fetch.ts';
import type { TopicPartition } from '../bus.ts';
import type { PartitionFeed } from './partition-feed.ts';

type SessionPart = Pick<FetchRequest, 'sessionId' | 'sessionEpoch' | 'partitions' | 'forgotten'>;

/**
 * An incremental fetch session (KIP-227) with one node, which remembers what is fetched: a request says only what is
 * different from the one before, and an answer only what has news. What a request costs depends on what changed, not on how
 * much is fetched.
 */
export class FetchSession {
  /** What is to be fetched, by name. */
  readonly #members = new Map<string, PartitionFeed>();
  /**
   * Where each partition was to be fetched from, as the node knows it. By name: a feed that takes the place of another one
   * is the same to the node, which first takes in what is named, and then leaves out what is to be forgotten.
   */
  readonly #told = new Map<string, TopicPartition & { readonly position: number }>();
  /** The names of what may be different from what the node was told. */
  readonly #changed = new Set<string>();
  #id = 0;
  /** 0: to be opened. */
  #epoch = 0;

  get size(): number {
    return this.#members.size;
  }

  has(feed: PartitionFeed): boolean {
    return this.#members.get(feed.name) === feed;
  }

  /** It is fetched from now on, from its position; to be called again when that has moved. */
  fetch(feed: PartitionFeed): void {
    this.#members.set(feed.name, feed);
    this.#changed.add(feed.name);
  }

  leaveOut(feed: PartitionFeed): void {
    if (!this.has(feed)) return;
    this.#members.delete(feed.name);
    this.#changed.add(feed.name);
  }

  /** The next request. */
  next(): SessionPart {
    const partitions: (TopicPartition & { readonly position: number })[] = [];
    const forgotten: TopicPartition[] = [];
    for (const name of this.#epoch === 0 ? this.#members.keys() : this.#changed) {
      const member = this.#members.get(name);
      const told = this.#told.get(name);
      if (member) {
        const { topic, partition, position } = member;
        if (told?.position === position) continue;
        this.#told.set(name, { topic, partition, position });
        partitions.push({ topic, partition, position });
      } else if (told) {
        this.#told.delete(name);
        forgotten.push(told);
      }
    }
    this.#changed.clear();
    return { sessionId: this.#id, sessionEpoch: this.#epoch, partitions, forgotten };
  }

  /** A new feed is named in any case: should the node have lost the partition, whoever starts anew gets it back. */
  nameAnew({ name, topic, partition }: PartitionFeed): void {
    if (!this.#told.has(name)) return;
    this.#told.set(name, { topic, partition, position: -1 });
    this.#changed.add(name);
  }

  /** The node has answered. It may not keep a session: then the next request says all. */
  answered(sessionId: number): void {
    if (sessionId === 0) {
      this.reset();
      return;
    }
    this.#id = sessionId;
    this.#epoch = this.#epoch === 2 ** 31 - 1 ? 1 : this.#epoch + 1;
  }

  /** The node has forgotten it, or what it knows is in doubt: the next request opens another one. */
  reset(): void {
    this.#id = 0;
    this.#epoch = 0;
    this.#told.clear();
  }
}
