import { fromBinary } from '@bufbuild/protobuf';
import { DownlinkRecordSchema } from '../../../gen/penstock/v1/downlink_pb.ts';
import type { Bus, IncomingRecord } from '../../bus/bus.ts';
import { feedFromStart } from '../../bus/feed-from-start.ts';
import type { Topics } from '../../bus/topics.ts';
import { TYPES } from '../../contract/integration-type.ts';
import type { Clock } from '../../runtime/clock.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import { publishAsNewer, republish } from '../store/changes.ts';
import type { Database } from '../store/database.ts';
import { findIntegration, findIntegrations, type StoredIntegration } from '../store/integrations.ts';
import { type PublishedState, publishedIds, publishedStates } from '../store/published.ts';
import { shardKeys, shardsOf } from './downlink.ts';
import { idOf, isSetBack, type Last, lastOf, shardIn } from './last-record.ts';

/** Keys that PostgreSQL is asked about at a time. */
const PAGE = 500;
/** At most so often, in milliseconds. */
const INTERVAL = 500;
/** What is put right in one look, at most: what others change is published in between. */
const MOST = 200;
/** What Kafka seems to have lost is left alone for so long, in milliseconds: a broker that took over may not know its end yet. */
const MISSING_DELAY = 5000;
const SET_BACK =
  'PostgreSQL was set back, or Kafka lost a downlink record: publishing what PostgreSQL has as newer';

interface Deps {
  readonly db: Database;
  readonly bus: Pick<Bus, 'feed' | 'listTopics'>;
  readonly topics: Topics;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The keys of one partition that something came under; of each, what came last. */
interface Followed {
  readonly changed: Map<string, Last>;
  isRead: boolean;
}

/**
 * Follows the downlink topics, from their beginnings, while this node publishes. A node that hung, or died, may have had
 * records on their way that land behind newer ones: where what is last is not what was published last, that is published
 * once more. Where it is newer than all that PostgreSQL has, or nothing at all, PostgreSQL was set back, or Kafka lost it: what
 * PostgreSQL has is published as newer.
 */
export class Stragglers implements Disposable {
  readonly #deps: Deps;
  readonly #feeds = new DisposableStack();
  readonly #followed: Followed[] = [];
  /** What was not as it was published at one look: what is on its way to this node may be. */
  readonly #suspected = new WeakSet<Last>();
  readonly #topics = new Set<string>();
  /** The topics of types that only a newer version knows are being asked for, or are known: then `#areAllKnown`. */
  #others: Promise<void> | undefined;
  #areAllKnown = false;
  #next = 0;
  /** What was published before all was read, and is still to be looked for among the keys that came. */
  #published: string[] = [];
  #came: Set<string> | undefined;
  /** From when on what did not come is missing; undefined: not all is read. */
  #missingFrom: number | undefined;
  #isBegun = false;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  async #begin(): Promise<void> {
    const { db, topics } = this.#deps;
    this.#published = await publishedIds(db); // before the ends of the topics are asked for
    this.#came = new Set();
    this.#isBegun = true;
    for (const type of TYPES) this.#follow(topics.downlink(type).name);
  }

  #follow(topic: string): void {
    if (this.#topics.has(topic) || this.#feeds.disposed) return;
    this.#topics.add(topic);
    const { bus, topics } = this.#deps;
    for (let partition = 0; partition < topics.downlink('').partitions; partition++) {
      const followed: Followed = { changed: new Map(), isRead: false };
      this.#followed.push(followed);
      const take = (record: IncomingRecord) => this.#take(followed, record);
      const feed = this.#feeds.use(feedFromStart(bus, { topic, partition }, take));
      void feed.caughtUp.then(() => {
        followed.isRead = true;
      });
    }
  }

  /** Newer nodes may have had records of theirs on their way. Those that begin later make topics that they publish to themselves. */
  async #followOthers(): Promise<void> {
    const { bus, topics, logger } = this.#deps;
    try {
      const names = await bus.listTopics();
      for (const name of names.filter((one) => one.startsWith(topics.downlink('').name))) this.#follow(name);
      this.#areAllKnown = true;
    } catch (error) {
      this.#others = undefined; // once more with the next look
      logger.debug('the downlink topics are not known yet', { error: messageOf(error) });
    }
  }

  #take({ changed }: Followed, { topic, key, value }: IncomingRecord): void {
    if (key === null) return;
    this.#came?.add(key);
    try {
      const record = value ? fromBinary(DownlinkRecordSchema, value) : undefined;
      changed.set(key, lastOf({ topic, key }, record, changed.get(key)));
    } catch {
      // Whoever acts on these records counts it.
    }
  }

  /** Has published again what is not as it was published. Answers whether that was anything. */
  async publishAgain(): Promise<boolean> {
    const now = this.#deps.clock.monotonic();
    if (now < this.#next) return false;
    this.#next = now + INTERVAL;
    if (!this.#isBegun) await this.#begin();
    this.#others ??= this.#followOthers();
    // Of a partition that was not read to its end it is not known what is last.
    const read = this.#followed.filter(({ isRead, changed }) => isRead && changed.size > 0);
    const all = read.flatMap((from) => [...from.changed.values()].map((last) => ({ last, from })));
    let left = MOST;
    for (let start = 0; start < all.length && left > 0; start += PAGE) {
      left -= await this.#judge(all.slice(start, start + PAGE), left);
    }
    left -= await this.#publishMissing(now, left);
    return left < MOST;
  }

  /** Once all was read to its end, so that what did not come is not there. Answers how many were put right. */
  async #publishMissing(now: number, most: number): Promise<number> {
    if (!this.#came || !this.#areAllKnown || !this.#followed.every(({ isRead }) => isRead)) return 0;
    this.#missingFrom ??= now + MISSING_DELAY;
    if (now < this.#missingFrom) return 0;
    const { db } = this.#deps;
    const looked = this.#published.slice(0, Math.min(PAGE, most));
    const missing = (await findIntegrations(db, looked, false)).filter((one) => !this.#haveAllCome(one));
    const states = await publishedStates(
      db,
      missing.map(({ integration }) => integration.id),
    );
    for (const [id, state] of states) {
      // What is on its way comes.
      if (!state.isDeleted && !state.isPending) await this.#outdo(id, state, undefined, 'not all');
    }
    this.#published = this.#published.slice(looked.length);
    if (this.#published.length === 0) this.#came = undefined;
    return missing.length;
  }

  #haveAllCome({ integration }: StoredIntegration): boolean {
    return shardKeys(integration).every((key) => this.#came?.has(key));
  }

  /** Answers how many were put right. */
  async #judge(
    page: readonly { readonly last: Last; readonly from: Followed }[],
    most: number,
  ): Promise<number> {
    const { db } = this.#deps;
    const states = await publishedStates(db, [...new Set(page.map(({ last }) => idOf(last.key)))]);
    let count = 0;
    for (const { last, from } of page) {
      const { key } = last;
      const state = states.get(idOf(key));
      if (count >= most) break; // with the next look
      if (state?.isPending) continue; // until it is published
      // Of another database, or never there: see orphans.ts.
      if (state && (await this.#isStale(last, state))) {
        if (!this.#suspected.has(last)) {
          this.#suspected.add(last);
          continue;
        }
        count++;
        if (await this.#putRight(last, state)) continue; // what is under the key is looked at again then
      }
      if (from.changed.get(key) === last) from.changed.delete(key);
    }
    return count;
  }

  /** Answers whether there is a newer generation for it, of which this key may have nothing. */
  async #putRight(last: Last, state: PublishedState): Promise<boolean> {
    const { db, topics, logger } = this.#deps;
    const { topic, key, newest } = last;
    const id = idOf(key);
    if (isSetBack(last, state)) {
      this.#suspected.delete(last);
      await this.#outdo(id, state, newest, newest === undefined ? 'only a deletion' : `generation ${newest}`);
      return true;
    }
    logger.warn('an old downlink record came last: publishing again what is true', { topic, key });
    const { generation } = state;
    await republish(db, topics, id, [{ integrationId: id, generation, topic, key, value: null }]);
    return false;
  }

  async #outdo(id: string, state: PublishedState, newest: bigint | undefined, there: string): Promise<void> {
    const { db, topics, logger } = this.#deps;
    const known = state.generation;
    if (!(await publishAsNewer(db, topics, id, { known, newest }))) return;
    logger.warn(`${SET_BACK}: Kafka had ${there} of it`, { integration: id, generation: String(known) });
  }

  async #isStale(last: Last, state: PublishedState): Promise<boolean> {
    const { topic, key, generation, secretKeys } = last;
    if (state.isDeleted) return generation !== undefined;
    if (generation !== undefined) {
      if (generation !== state.generation || isSetBack(last, state)) return true;
      // Of the same generation, from before its secrets were sealed with another key.
      return (state.secretKeys ?? secretKeys).join() !== secretKeys.join();
    }
    const { db, topics } = this.#deps;
    const stored = await findIntegration(db, idOf(key));
    // On the topic of another type there is nothing of it, and nothing is as it should be.
    if (!stored || topics.downlink(stored.type).name !== topic) return false;
    return shardIn(key) < shardsOf(stored.integration);
  }

  [Symbol.dispose](): void {
    this.#feeds.dispose();
  }
}
