import { Code } from '../../../gen/google/rpc/code_pb.ts';
import { failed } from '../../rpc/error.ts';
import { ByteLimit } from '../../runtime/byte-limit.ts';
import { type FeedDeps, MessageFeed, type MessageWatcher } from './message-feed.ts';
import { ReadBudget, type ReadRate } from './read-budget.ts';

/** Each holds messages that its caller has not read yet. */
const MAX_WATCHERS = 100;
/** What a node reads in a second for all of them. */
const RATE: ReadRate = { records: 20_000, bytes: 32 << 20 };

/** What all tails of a node hold, in bytes. */
const MEMORY = 128 << 20;

/** The message topics of this node that somebody watches, each followed once. */
export class MessageFeeds {
  readonly #deps: FeedDeps;
  readonly #rate: ReadRate;
  readonly #feeds = new Map<string, MessageFeed>();
  /** What those that watch have not told yet. */
  readonly memory = new ByteLimit(MEMORY);
  #watchers = 0;

  constructor(deps: FeedDeps, rate: ReadRate = RATE) {
    this.#deps = deps;
    this.#rate = rate;
  }

  /**
   * Tells a watcher what comes, until it is disposed.
   * @throws RpcError RESOURCE_EXHAUSTED when too many watch messages already
   */
  join(integrationId: string, watcher: MessageWatcher): { readonly feed: MessageFeed } & Disposable {
    if (this.#watchers >= MAX_WATCHERS) {
      const text = `this node serves ${MAX_WATCHERS} watches of messages already: end one, or ask another node`;
      throw failed(Code.RESOURCE_EXHAUSTED, 'TOO_MANY_WATCHES', text);
    }
    this.#watchers++;
    const feed = this.#feeds.get(integrationId) ?? this.#begin(integrationId);
    feed.add(watcher);
    return { feed, [Symbol.dispose]: () => this.#leave(integrationId, feed, watcher) };
  }

  #begin(integrationId: string): MessageFeed {
    const feed = new MessageFeed(
      this.#deps,
      integrationId,
      new ReadBudget(() => this.#share, this.#deps.clock),
    );
    this.#feeds.set(integrationId, feed);
    // Whoever comes after a failure begins anew.
    feed.begun.catch(() => this.#forget(integrationId, feed));
    return feed;
  }

  get #share(): ReadRate {
    const topics = Math.max(1, this.#feeds.size);
    return { records: this.#rate.records / topics, bytes: this.#rate.bytes / topics };
  }

  #leave(integrationId: string, feed: MessageFeed, watcher: MessageWatcher): void {
    this.#watchers--;
    feed.remove(watcher);
    if (feed.isWatched) return;
    this.#forget(integrationId, feed);
    feed[Symbol.dispose]();
  }

  #forget(integrationId: string, feed: MessageFeed): void {
    if (this.#feeds.get(integrationId) === feed) this.#feeds.delete(integrationId);
  }
}
