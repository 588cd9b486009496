import type { FetchRequest } from '../../kafkajs/fetch.ts';
import type { TopicPartition } from '../bus.ts';
import type { PartitionFeed } from './partition-feed.ts';

type SessionPart = Pick<FetchRequest, 'sessionId' | 'sessionEpoch' | 'partitions' | 'forgotten'>;

/**
 * An incremental fetch session (KIP-227) with one node, which remembers what is fetched: a request says only what is
 * different from the one before, and an answer only what has news.
 */
export class FetchSession {
  /**
   * Where each partition was to be fetched from, as the node knows it. By name: a feed that takes the place of another one
   * is the same to the node, which first takes in what is named, and then leaves out what is to be forgotten.
   */
  readonly #told = new Map<string, TopicPartition & { readonly position: number }>();
  #id = 0;
  /** 0: to be opened. */
  #epoch = 0;

  /** The next request is for these feeds and no others. */
  next(feeds: readonly PartitionFeed[]): SessionPart {
    const wanted = new Set(feeds.map(({ name }) => name));
    const left = [...this.#told].filter(([name]) => !wanted.has(name));
    for (const [name] of left) this.#told.delete(name);
    const partitions = feeds.filter(({ name, position }) => this.#told.get(name)?.position !== position);
    for (const { name, topic, partition, position } of partitions) {
      this.#told.set(name, { topic, partition, position });
    }
    const forgotten = left.map(([, one]) => one);
    return { sessionId: this.#id, sessionEpoch: this.#epoch, partitions, forgotten };
  }

  /** A new feed is named in any case: should the node have lost the partition, whoever starts anew gets it back. */
  nameAnew({ name, topic, partition }: PartitionFeed): void {
    if (this.#told.has(name)) this.#told.set(name, { topic, partition, position: -1 });
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
