import {
  type WatchEventsResponse,
  WatchEventsResponseSchema,
} from '../../../gen/penstock/v1/event_service_pb.ts';
import { sharedAnswer } from '../../rpc/shared-answer.ts';
import { OneByOne } from '../../runtime/one-by-one.ts';
import type { Queries } from '../store/database.ts';
import type { EventSelection } from '../store/events.ts';
import { idsInScope, type ScopeSelection } from '../store/scoped.ts';
import { type EventPlace, eventsSince, type StoredEvent, settledVersion } from '../store/versions.ts';
import type { Bell } from './bell.ts';
import type { Feed } from './shared-feed.ts';

/** Events that are loaded at a time. */
const PAGE = 500;
/** Events that are kept for those who read slowly, and their bytes. Who is further behind asks PostgreSQL. */
const MAX_KEPT = 5000;
const MAX_BYTES = 8 << 20;

/** An event, for all who watch. */
export interface WatchedEvent extends StoredEvent {
  readonly answer: WatchEventsResponse;
}

/** What one watcher is told of. */
export interface WantedEvents {
  readonly selection: EventSelection;
  /** Of its caller; undefined: all integrations. */
  readonly scope?: ScopeSelection | undefined;
}

/** The events as they are stored, for all who watch them: those of the last time, numbered in their order. */
export class EventFeed implements Feed {
  readonly #db: Queries;
  readonly #jobs = new OneByOne();
  readonly #bells = new Set<Bell>();
  /** What is being asked of scopes: watchers of one scope that are told of the same events ask once. */
  readonly #asked = new Map<string, Promise<ReadonlySet<string>>>();
  #kept: WatchedEvent[] = [];
  #bytes = 0;
  /** The number of the first of them. */
  #first = 0;
  #place: EventPlace | undefined;

  constructor(db: Queries) {
    this.#db = db;
  }

  add(bell: Bell): void {
    this.#bells.add(bell);
  }

  remove(bell: Bell): void {
    this.#bells.delete(bell);
  }

  turn(): Promise<boolean> {
    return this.#jobs.runFirst(() => this.#turn());
  }

  /** The number of the event to come. */
  get end(): number {
    return this.#first + this.#kept.length;
  }

  /** Up to `limit` events from this number on, which is kept. */
  from(number: number, limit: number): readonly WatchedEvent[] {
    const start = number - this.#first;
    return this.#kept.slice(start, start + limit);
  }

  isKept(number: number): boolean {
    return number >= this.#first;
  }

  /** Where a watch begins that begins now: after this version, with the event of this number. */
  start(signal: AbortSignal): Promise<{ readonly version: string; readonly number: number }> {
    return this.#jobs.run(async () => {
      signal.throwIfAborted();
      return { version: await settledVersion(this.#db), number: this.end };
    });
  }

  /** Some events from PostgreSQL, for one who is too far behind. `number`: all up to this one were answered. */
  since(
    { selection, scope }: WantedEvents,
    place: EventPlace,
    signal: AbortSignal,
  ): Promise<{
    readonly events: readonly WatchedEvent[];
    readonly next: EventPlace;
    readonly number: number | undefined;
  }> {
    return this.#jobs.run(async () => {
      signal.throwIfAborted();
      const { version } = this.#place!;
      const { stored, next } = await eventsSince(this.#db, selection, place, version, PAGE, scope);
      const number = stored.length < PAGE ? this.end : undefined;
      return { events: stored.map(watchedOf), next, number };
    });
  }

  /** Those of the events whose integration is in the scope now; without one all of them, and nothing is asked. */
  async inScope(
    events: readonly WatchedEvent[],
    scope: ScopeSelection | undefined,
  ): Promise<readonly WatchedEvent[]> {
    if (scope === undefined || events.length === 0) return events;
    const ids = [...new Set(events.map(({ integrationId }) => integrationId))];
    const key = JSON.stringify([scope, ids]);
    const asked =
      this.#asked.get(key) ??
      this.#jobs.run(() => idsInScope(this.#db, ids, scope)).finally(() => this.#asked.delete(key));
    this.#asked.set(key, asked);
    const inside = await asked;
    return events.filter(({ integrationId }) => inside.has(integrationId));
  }

  async #turn(): Promise<boolean> {
    const version = await settledVersion(this.#db);
    this.#place ??= { version, event: undefined };
    for (let isMore = true; isMore; ) {
      const { stored, next } = await eventsSince(this.#db, {}, this.#place, version, PAGE);
      this.#keep(stored.map(watchedOf));
      this.#place = next;
      isMore = stored.length === PAGE;
    }
    return false;
  }

  #keep(events: readonly WatchedEvent[]): void {
    if (events.length === 0) return;
    this.#kept.push(...events);
    for (const { bytes } of events) this.#bytes += bytes;
    let gone = 0;
    while (this.#kept.length - gone > MAX_KEPT || this.#bytes > MAX_BYTES)
      this.#bytes -= this.#kept[gone++]!.bytes;
    this.#kept.splice(0, gone);
    this.#first += gone;
    for (const bell of this.#bells) bell.ring();
  }
}

const watchedOf = (stored: StoredEvent): WatchedEvent => ({
  ...stored,
  answer: sharedAnswer(WatchEventsResponseSchema, { event: stored.event }),
});
