import type { FetchRequest } from '../../kafkajs/fetch.ts';
import type { PartitionFeed } from './partition-feed.ts';

type SessionPart = Pick<FetchRequest, 'sessionId' | 'sessionEpoch' | 'partitions' | 'forgotten'>;

/**
 * An incremental fetch session (KIP-227) with one node, which remembers what is fetched: a request says only what is
 * different from the one before, and an answer only what has news.
 */
export class FetchSession {
  /** Where each was to be fetched from, as the node knows it. */
  readonly #positions = new Map<PartitionFeed, number>();
  #id = 0;
  /** 0: to be opened. */
  #epoch = 0;

  /** The next request is for these feeds and no others. */
  next(feeds: readonly PartitionFeed[]): SessionPart {
    const wanted = new Set(feeds);
    const isNew = this.#epoch === 0;
    if (isNew) this.#positions.clear();
    const forgotten = [...this.#positions.keys()].filter((feed) => !wanted.has(feed));
    for (const feed of forgotten) this.#positions.delete(feed);
    const partitions = feeds.filter((feed) => this.#positions.get(feed) !== feed.position);
    for (const feed of partitions) this.#positions.set(feed, feed.position);
    return { sessionId: this.#id, sessionEpoch: this.#epoch, partitions, forgotten: isNew ? [] : forgotten };
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
    this.#positions.clear();
  }
}
