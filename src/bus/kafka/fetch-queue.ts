import type { FetchSession } from './fetch-session.ts';
import type { PartitionFeed } from './partition-feed.ts';

/**
 * What of one node is to be fetched next, and how. A feed is in one place at most: so nobody looks for the hungry ones among
 * thousands that are quiet.
 */
export class FetchQueue {
  /** What the quiet fetch waits for. */
  readonly #session: FetchSession;
  /** What the next quiet fetch takes: until then it is fetched promptly, now and then. */
  readonly #waiting = new Set<PartitionFeed>();
  /** What is fetched promptly; who was served last is last. */
  readonly #ready = new Set<PartitionFeed>();
  /** What is fetched alone. */
  readonly #starved = new Set<PartitionFeed>();

  constructor(session: FetchSession) {
    this.#session = session;
  }

  get hasWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** Puts a feed where what it waits for is done next. */
  place(feed: PartitionFeed): void {
    if (feed.isHungry && feed.isQuiet && this.#session.has(feed)) {
      this.#session.fetch(feed); // from where it is now
      return;
    }
    this.displace(feed);
    if (!feed.isHungry) return; // it holds something, or has no room
    const place = feed.isStarved ? this.#starved : feed.isQuiet ? this.#waiting : this.#ready;
    place.add(feed);
  }

  displace(feed: PartitionFeed): void {
    for (const place of [this.#waiting, this.#ready, this.#starved]) place.delete(feed);
    this.#session.leaveOut(feed);
  }

  /** The session is for what waits, too. */
  takeQuiet(): void {
    for (const feed of this.#waiting) this.#session.fetch(feed);
    this.#waiting.clear();
  }

  /** What the next prompt fetch is for: they are busy, and in no place. */
  takePrompt(isTimeForWaiting: boolean): ReadonlySet<PartitionFeed> {
    const [starved] = this.#starved;
    const feeds = new Set(starved ? [starved] : this.#ready);
    if (!starved && isTimeForWaiting) for (const feed of this.#waiting) feeds.add(feed);
    for (const feed of feeds) {
      feed.isBusy = true;
      this.displace(feed);
    }
    return feeds;
  }
}
