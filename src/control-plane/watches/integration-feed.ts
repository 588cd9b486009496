import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { Integration } from '../../../gen/penstock/v1/integration_pb.ts';
import { WatchIntegrationsResponseSchema } from '../../../gen/penstock/v1/integration_service_pb.ts';
import { sharedAnswer } from '../../rpc/shared-answer.ts';
import type { Clock } from '../../runtime/clock.ts';
import { OneByOne } from '../../runtime/one-by-one.ts';
import { answerOf, loadSnapshot } from '../integrations/answer.ts';
import type { Cluster } from '../status/cluster.ts';
import type { Queries } from '../store/database.ts';
import type { IntegrationSelection, Position } from '../store/integrations.ts';
import { loadCluster } from '../store/nodes.ts';
import { type Changes, changesSince, settledVersion, type Version } from '../store/versions.ts';
import { loadWatched, lowerCaseOf, type Place, placesOf } from '../store/watched-integrations.ts';
import { type Known, KnownIntegrations } from './known.ts';
import type { Feed } from './shared-feed.ts';
import { MAX_ABSENCE, tooSlow } from './slow-reader.ts';
import { RecentlyLoaded, type Watched, type Watcher, watchedOf } from './watched.ts';

/** Integrations that are loaded at a time. */
const PAGE = 200;
/** Pages of all integrations that one turn looks at, when nodes came or went. */
const PAGES = 10;

/** An integration for a watcher. `watched` is unset when it is not there any more. */
export interface Told {
  readonly known: Known;
  readonly watched: Watched | undefined;
}

/**
 * What happens to integrations and their status, for all who watch them. Everything is loaded here, one thing after the other:
 * what is loaded later is never older.
 */
export class IntegrationFeed implements Feed {
  readonly #db: Queries;
  readonly #clock: Clock;
  readonly #jobs = new OneByOne();
  readonly #known = new KnownIntegrations();
  readonly #recent: RecentlyLoaded;
  readonly #watches = new Set<Watcher>();
  /** Deleted, and not yet told to everybody. */
  readonly #deleted = new Set<Known>();
  #version: Version | undefined;
  #cluster: Cluster | undefined;
  /** The nodes that what was loaded rests on. */
  #nodes = '';
  /** How far all integrations were looked at since nodes came or went; undefined: to their end. */
  #walk: { readonly after: Position | undefined } | undefined;
  #isWalkDue = false;

  constructor(db: Queries, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
    this.#recent = new RecentlyLoaded(clock);
  }

  add(watch: Watcher): void {
    this.#watches.add(watch);
  }

  remove(watch: Watcher): void {
    this.#watches.delete(watch);
  }

  turn(): Promise<boolean> {
    return this.#jobs.runFirst(() => this.#turn());
  }

  lowerCaseOf(text: string): Promise<string> {
    return this.#jobs.run(() => lowerCaseOf(this.#db, text));
  }

  /** A page of those that pass the selection, the oldest first; `next` is where the next page begins. */
  page(
    selection: IntegrationSelection,
    after: Position | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly told: readonly Told[]; readonly next: Position | undefined }> {
    return this.#jobs.run(async () => {
      signal.throwIfAborted(); // nobody waits for it any more
      const places = await placesOf(this.#db, selection, after, PAGE);
      const told = await this.#now(places);
      return { told, next: places.length < PAGE ? undefined : places.at(-1) };
    });
  }

  /** Up to `PAGE` integrations as they are now. */
  async now(slots: readonly number[], signal: AbortSignal): Promise<readonly Told[]> {
    const known = slots.flatMap((slot) => this.#known.at(slot) ?? []);
    const told = known.map((one) => ({ known: one, watched: this.#recent.get(one.id) }));
    if (told.every(({ known: { deleted }, watched }) => deleted ?? watched)) return told;
    return await this.#jobs.run(async () => {
      signal.throwIfAborted();
      return await this.#now(known.filter(({ isForgotten }) => !isForgotten));
    });
  }

  /** What was loaded lately is not loaded again, unless its row has changed since. */
  async #now(wanted: readonly (Known | Place)[]): Promise<Told[]> {
    // Looked up once: until the others are loaded it may be recent no more.
    const recent = wanted.map((one) => {
      const watched = this.#recent.get(one.id);
      return 'version' in one && one.version !== watched?.version ? undefined : watched;
    });
    const old = wanted.filter(({ id }, n) => !recent[n] && this.#known.get(id)?.deleted === undefined);
    const loaded = await this.#load(
      old.map(({ id }) => id),
      false,
    );
    const byId = new Map(loaded.map((one) => [one.known.id, one]));
    return wanted.flatMap(({ id }, n) => {
      const known = this.#known.get(id);
      return known ? { known, watched: byId.get(id) ?? recent[n] } : [];
    });
  }

  async #turn(): Promise<boolean> {
    const changes = await this.#changes();
    this.#take(await loadCluster(this.#db));
    for (let start = 0; start < changes.ids.length; start += PAGE) {
      await this.#load(changes.ids.slice(start, start + PAGE), true);
    }
    for (const { integration, time } of changes.deleted) this.#delete(integration, time);
    this.#version = changes.version;
    await this.#walkOn();
    this.#forget();
    return this.#walk !== undefined;
  }

  async #changes(): Promise<Changes> {
    if (this.#version !== undefined) return changesSince(this.#db, this.#version);
    return { ids: [], deleted: [], version: await settledVersion(this.#db) };
  }

  /** After nodes came or went any state may have changed. */
  #take(cluster: Cluster): void {
    const nodes = signatureOf(cluster);
    const isFirst = this.#cluster === undefined;
    this.#cluster = cluster;
    if (nodes === this.#nodes) return;
    this.#nodes = nodes;
    this.#recent.clear();
    if (isFirst) return;
    if (this.#walk) this.#isWalkDue = true;
    else this.#walk = { after: undefined };
  }

  async #walkOn(): Promise<void> {
    for (let n = 0; this.#walk && n < PAGES; n++) {
      const places = await placesOf(this.#db, {}, this.#walk.after, PAGE);
      await this.#load(
        places.map(({ id }) => id),
        true,
      );
      if (places.length === PAGE) this.#walk = { after: places.at(-1) };
      else {
        this.#walk = this.#isWalkDue ? { after: undefined } : undefined;
        this.#isWalkDue = false;
      }
    }
  }

  /** Whoever watches is told of what is found to be new. */
  async #load(ids: readonly string[], isTurn: boolean): Promise<Watched[]> {
    if (ids.length === 0) return [];
    const rows = await loadWatched(this.#db, ids);
    const all = rows.map(({ stored }) => stored);
    const { reports, cluster } = await loadSnapshot(this.#db, all, this.#cluster);
    return rows.map((row) => {
      const { id } = row.stored.integration;
      const known = this.#known.getOrAdd(id);
      const integration = answerOf(row.stored, reports(id), cluster);
      const watched = watchedOf(row, integration, known, this.#clock);
      this.#recent.put(watched);
      this.#tell(watched, isTurn);
      return watched;
    });
  }

  #tell(watched: Watched, isTurn: boolean): void {
    const { known, digest } = watched;
    const isChanged = known.digest !== '' && known.digest !== digest;
    // One that a watcher was the first to load may have become what another one watches for.
    const isNew = isTurn && !known.isConfirmed;
    known.digest = digest;
    known.isConfirmed ||= isTurn;
    if (!isChanged && !isNew) return;
    for (const watch of this.#watches) watch.offer(watched, isChanged);
  }

  #delete(integration: Integration, time: Date): void {
    const known = this.#known.get(integration.id);
    if (!known || known.deleted) return;
    const last = { integration, deleted: true, time: timestampFromDate(time) };
    const answer = sharedAnswer(WatchIntegrationsResponseSchema, last);
    known.deleted = { answer, at: this.#clock.monotonic() };
    this.#recent.delete(known.id);
    this.#deleted.add(known);
    for (const watch of this.#watches) watch.offerDeleted(known);
  }

  /** A deletion is forgotten once everybody was told. Who does not read for minutes is told that. */
  #forget(): void {
    for (const known of this.#deleted) {
      const waiting = [...this.#watches].filter((watch) => watch.awaits(known));
      if (waiting.length > 0) {
        if (this.#clock.monotonic() - known.deleted!.at < MAX_ABSENCE) continue;
        for (const watch of waiting) watch.fail(tooSlow());
      }
      this.#deleted.delete(known);
      this.#known.forget(known);
    }
  }
}

/** What of the nodes a status may rest on. */
function signatureOf(cluster: Cluster): string {
  const nodes = [...cluster.values()].map(({ serviceId, startTime, isLiving, stopping, report }) => {
    return [serviceId, startTime.getTime(), isLiving, stopping, report.roles, report.types];
  });
  return JSON.stringify(nodes);
}
