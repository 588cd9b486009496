import { fromBinary } from '@bufbuild/protobuf';
import { DownlinkRecordSchema } from '../../gen/penstock/v1/downlink_pb.ts';
import type { Bus, IncomingRecord } from '../bus/bus.ts';
import { feedFromStart } from '../bus/feed-from-start.ts';
import type { Topics } from '../bus/topics.ts';
import { TYPES } from '../contract/integration-type.ts';
import type { Logger } from '../runtime/logger.ts';
import { shardsOf } from './downlink.ts';
import { republish } from './store/changes.ts';
import type { Database } from './store/database.ts';
import { findIntegration } from './store/integrations.ts';
import type { OutboxRow } from './store/outbox.ts';
import { publishedStates } from './store/published.ts';

/** Keys that PostgreSQL is asked about at a time. */
const PAGE = 500;

interface Deps {
  readonly db: Database;
  readonly bus: Pick<Bus, 'feed'>;
  readonly topics: Topics;
  readonly logger: Logger;
}

/** What is last under a key of a downlink topic. */
interface Last {
  readonly topic: string;
  readonly key: string;
  /** Undefined: a tombstone, or that it is gone. */
  readonly generation: bigint | undefined;
}

/** The keys of one partition that something came under; of each, what came last. */
interface Followed {
  readonly changed: Map<string, Last>;
  isRead: boolean;
}

/**
 * Follows the downlink topics, from their beginnings, while this node publishes. A node that hung, or died, may have had
 * records on their way that land behind newer ones: where what is last is not what was published last, that is published
 * once more.
 */
export class Stragglers implements Disposable {
  readonly #deps: Deps;
  readonly #feeds = new DisposableStack();
  readonly #followed: Followed[] = [];

  constructor(deps: Deps) {
    this.#deps = deps;
    const { bus, topics } = deps;
    for (const { name: topic, partitions } of TYPES.map((type) => topics.downlink(type))) {
      for (let partition = 0; partition < partitions; partition++) {
        const followed: Followed = { changed: new Map(), isRead: false };
        this.#followed.push(followed);
        const take = (record: IncomingRecord) => this.#take(followed, record);
        const feed = this.#feeds.use(feedFromStart(bus, { topic, partition }, take));
        void feed.caughtUp.then(() => {
          followed.isRead = true;
        });
      }
    }
  }

  #take({ changed }: Followed, { topic, key, value }: IncomingRecord): void {
    if (key === null) return;
    try {
      const generation = value ? fromBinary(DownlinkRecordSchema, value).integration?.generation : undefined;
      changed.set(key, { topic, key, generation });
    } catch {
      // Whoever acts on these records counts it.
    }
  }

  /** Has published again what is not as it was published. Answers whether that was anything. */
  async publishAgain(): Promise<boolean> {
    let isAny = false;
    for (const { changed, isRead } of this.#followed) {
      if (!isRead) continue; // what is last there is not known yet
      const all = [...changed.values()];
      for (let start = 0; start < all.length; start += PAGE) {
        for (const last of all.slice(start, start + PAGE)) changed.delete(last.key);
        isAny = (await this.#judge(all.slice(start, start + PAGE), changed)) || isAny;
      }
    }
    return isAny;
  }

  async #judge(page: readonly Last[], changed: Map<string, Last>): Promise<boolean> {
    const { db, topics, logger } = this.#deps;
    const later = (last: Last) => {
      if (!changed.has(last.key)) changed.set(last.key, last);
    };
    try {
      const states = await publishedStates(db, [...new Set(page.map(({ key }) => idOf(key)))]);
      let isAny = false;
      for (const last of page) {
        const state = states.get(idOf(last.key));
        if (!state) continue; // of another database, or never there: see orphans.ts
        if (state.isPending) later(last);
        else if (await this.#isStale(last, state)) {
          const { topic, key } = last;
          logger.warn('an old downlink record came last: publishing again what is true', { topic, key });
          const generation = state.generation;
          const row: OutboxRow = { integrationId: idOf(key), generation, topic, key, value: null };
          await republish(db, topics, idOf(key), [row]);
          isAny = true;
        }
      }
      return isAny;
    } catch (error) {
      for (const last of page) later(last);
      throw error;
    }
  }

  async #isStale(
    { key, generation }: Last,
    state: { readonly isDeleted: boolean; readonly generation: bigint },
  ): Promise<boolean> {
    if (state.isDeleted) return generation !== undefined;
    if (generation !== undefined) return generation < state.generation;
    const stored = await findIntegration(this.#deps.db, idOf(key));
    return stored !== undefined && shardIn(key) < shardsOf(stored.integration);
  }

  [Symbol.dispose](): void {
    this.#feeds.dispose();
  }
}

const idOf = (key: string) => key.split('/', 1)[0] ?? '';
const shardIn = (key: string) => Number(key.split('/')[1] ?? 0);
