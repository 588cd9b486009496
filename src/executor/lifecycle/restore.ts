import type { DownlinkRecord } from '../../../gen/penstock/v1/downlink_pb.ts';
import type { Integration } from '../../../gen/penstock/v1/integration_pb.ts';
import type { Bus, Claim, IncomingRecord, Membership } from '../../bus/bus.ts';
import { decoder } from '../../bus/codec.ts';
import { feedFromStart } from '../../bus/feed-from-start.ts';
import { GoneGenerations } from '../../bus/gone-generations.ts';
import type { Topics } from '../../bus/topics.ts';
import type { Type } from '../../contract/integration-type.ts';
import { type KeyRing, openSecrets } from '../../contract/sealed-secrets.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { Manager, Wish } from './manager.ts';

interface Deps {
  readonly bus: Bus;
  readonly topics: Topics;
  readonly manager: Manager;
  readonly metrics: Metrics;
  readonly logger: Logger;
  secretKeys(): KeyRing;
}

/** A partition of a downlink topic that this executor has. */
interface Owned {
  readonly feed: ReturnType<typeof feedFromStart>;
  /** The newest generation that was seen of each key. */
  readonly keys: Map<string, bigint>;
  /** Keys whose last record said that something is gone, too late: the tombstone right behind it is of the past as well. */
  readonly lateGone: Set<string>;
  /** The newest wish of each key while the partition is read; undefined once it is restored. */
  pending: Map<string, Wish | undefined> | undefined;
  readonly lost: PromiseWithResolvers<void>;
}

/**
 * Joins the group of the executors for the downlink topics of these types. What a gained partition holds starts only when
 * it was read to its end; what a lost one holds is stopped before another executor gets it.
 */
export class Restore implements AsyncDisposable {
  readonly membership: Membership;
  readonly #deps: Deps;
  readonly #decode;
  readonly #owned = new Map<Claim, Owned>();
  readonly #gone = new GoneGenerations();
  #isRestored = false;

  constructor(types: readonly Type[], deps: Deps) {
    const { bus, topics } = deps;
    this.#deps = deps;
    const downlinks = types.map((type) => topics.downlink(type));
    this.#decode = decoder(topics.downlink('').schema, deps);
    this.membership = bus.join({
      groupId: topics.executors,
      topics: downlinks.map(({ name }) => name),
      onGained: (claim) => this.#gain(claim),
      onLost: (claim) => this.#lose(claim),
    });
  }

  /** Resolves when the first assignment is there and all of it was read. */
  async restored(): Promise<void> {
    await this.membership.joined;
    const owned = [...this.#owned.values()];
    await Promise.all(owned.map(({ feed, lost }) => Promise.race([feed.caughtUp, lost.promise])));
    this.#isRestored = true;
  }

  /** How far it is with what it was first assigned, for people; undefined: it has all of it. */
  get restoring(): string | undefined {
    if (this.#isRestored) return undefined;
    const all = this.#owned.size;
    if (all === 0) return 'waiting for its share of the integrations';
    return `restoring the integrations (${all - this.unread.length} of ${all} partitions)`;
  }

  /** The partitions that this executor has and has not read to their ends yet, as `topic/partition`. */
  get unread(): readonly string[] {
    const unread = [...this.#owned].filter(([, { pending }]) => pending);
    return unread.map(([{ topic, partition }]) => `${topic}/${partition}`);
  }

  #gain(claim: Claim): void {
    const { bus, logger } = this.#deps;
    const { topic, partition } = claim;
    logger.debug('a partition was gained', { topic, partition });
    const owned: Owned = {
      feed: feedFromStart(bus, claim, (record) => this.#take(claim, owned, record)),
      keys: new Map(),
      lateGone: new Set(),
      pending: new Map(),
      lost: Promise.withResolvers(),
    };
    this.#owned.set(claim, owned);
    void owned.feed.caughtUp.then(() => this.#start(owned));
  }

  #take(claim: Claim, { keys, lateGone, pending }: Owned, record: IncomingRecord): void {
    const { key } = record;
    const decoded = record.value === null ? undefined : this.#decode(record);
    const { integration, gone } = decoded ?? {};
    // Any other tombstone is obeyed: a control plane that tells no generation deletes what was gone once and came back.
    const isBehindLateGone = key !== null && lateGone.delete(key) && record.value === null;
    if (key === null || (record.value !== null && !integration && !gone)) return; // counted by the decoder
    if (gone) this.#gone.note(key, gone.generation);
    const known = keys.get(key) ?? -1n;
    const generation = integration?.generation ?? (gone && this.#gone.of(key)) ?? known;
    const isLateGone = gone !== undefined && generation < known;
    const isLate = isLateGone || isBehindLateGone;
    if (isLate || (integration && this.#gone.has(key, integration.generation))) {
      if (isLateGone) lateGone.add(key);
      const { topic, partition, offset } = record;
      this.#deps.logger.warn('a downlink record came too late', { topic, partition, offset });
      return;
    }
    keys.set(key, generation < known ? known : generation);
    const wish = decoded && integration && wishOf(decoded, integration, claim, this.#deps.secretKeys());
    if (!pending) this.#deps.manager.want(key, wish);
    else if (isNewer(wish, pending.get(key))) pending.set(key, wish);
  }

  #start(owned: Owned): void {
    const { pending } = owned;
    owned.pending = undefined;
    for (const [key, wish] of pending ?? []) this.#deps.manager.want(key, wish);
  }

  async #lose(claim: Claim): Promise<void> {
    const { manager, logger } = this.#deps;
    const { topic, partition } = claim;
    const owned = this.#owned.get(claim);
    this.#owned.delete(claim);
    owned?.feed[Symbol.dispose]();
    owned?.lost.resolve();
    await manager.drop([...(owned?.keys.keys() ?? [])]);
    logger.debug('a partition is given back', { topic, partition });
  }

  /** Stops everything and leaves the group. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.membership[Symbol.asyncDispose]();
  }
}

function wishOf(record: DownlinkRecord, integration: Integration, claim: Claim, keys: KeyRing): Wish {
  const opened = openSecrets({ integration, sealed: record.sealed }, keys);
  return {
    integration: opened.integration,
    sealed: opened.unopened.map(({ secret }) => secret),
    shard: record.shard,
    topicIncarnation: Math.max(1, record.topicIncarnation),
    claim,
  };
}

/**
 * Whoever publishes may die and repeat itself: then an older generation comes after a newer one. Of one generation the last
 * counts, for its secrets may have been sealed anew, unless they can be read less than those before. A tombstone has none.
 */
function isNewer(wish: Wish | undefined, known: Wish | undefined): boolean {
  if (!wish || !known) return true;
  const [generation, before] = [wish.integration.generation, known.integration.generation];
  return generation > before || (generation === before && wish.sealed.length <= known.sealed.length);
}
