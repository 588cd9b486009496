import { create } from '@bufbuild/protobuf';
import {
  type IntegrationFilter,
  IntegrationView,
  type WatchIntegrationsResponse,
  WatchIntegrationsResponseSchema,
} from '../../../gen/penstock/v1/integration_service_pb.ts';
import { isInScope, type Scoped, withinScope } from '../access/scope.ts';
import { isWatched, selectionOf } from '../integrations/integration-filter.ts';
import { answerInView } from '../integrations/view.ts';
import type { IntegrationSelection, Position } from '../store/integrations.ts';
import { Bell } from './bell.ts';
import { Bits } from './bits.ts';
import type { IntegrationFeed, Told } from './integration-feed.ts';
import type { Known } from './known.ts';
import type { SharedFeed } from './shared-feed.ts';
import type { Watched, Watcher } from './watched.ts';

/** Changes that are told at a time. */
const AT_A_TIME = 200;

type Feeds = Pick<SharedFeed<IntegrationFeed>, 'join'>;

/**
 * What one caller who watches integrations is to be told. Of each integration it remembers two bits: however much changes
 * while the caller does not read, it is told the state of now.
 */
export class IntegrationWatch implements Watcher {
  readonly #caller: Scoped;
  readonly #filter: IntegrationFilter | undefined;
  readonly #view: IntegrationView;
  readonly #selection: IntegrationSelection;
  readonly #bell = new Bell();
  /** The slots of those that were sent and passed the filter then. */
  readonly #sent = new Bits();
  /** Of those that are to be looked at: they changed. */
  readonly #changed = new Bits();
  /** The text of the filter as PostgreSQL has texts. */
  #lowerCase = '';

  constructor(
    caller: Scoped,
    filter: IntegrationFilter | undefined,
    view: IntegrationView = IntegrationView.FULL,
  ) {
    this.#caller = caller;
    this.#filter = filter;
    this.#view = view;
    this.#selection = withinScope(caller, selectionOf(filter));
  }

  /** First every integration that passes, then what changes, until the signal aborts. */
  async *answers(feeds: Feeds, signal: AbortSignal): AsyncGenerator<WatchIntegrationsResponse> {
    for await (const answers of this.lists(feeds, signal)) if (answers !== 'synced') yield* answers;
  }

  /** The same in lists, each made while it is read. `synced`: every integration that passes has been told. */
  async *lists(
    feeds: Feeds,
    signal: AbortSignal,
  ): AsyncGenerator<Iterable<WatchIntegrationsResponse> | 'synced'> {
    using joined = feeds.join(this.#bell);
    const { feed } = joined;
    const { text } = this.#selection;
    if (text !== undefined) this.#lowerCase = await feed.lowerCaseOf(text);
    feed.add(this);
    try {
      yield* this.#first(feed, signal);
      for (let isSynced = false; ; ) {
        const slots = this.#changed.take(AT_A_TIME);
        if (slots.length > 0) yield this.#tell(await feed.now(slots, signal));
        else if (isSynced) await this.#bell.rung(signal);
        else {
          // Not before: what changed while pages were loaded may have been left out of them.
          isSynced = true;
          yield 'synced';
        }
      }
    } finally {
      feed.remove(this);
    }
  }

  async *#first(
    feed: IntegrationFeed,
    signal: AbortSignal,
  ): AsyncGenerator<Iterable<WatchIntegrationsResponse>> {
    for (let after: Position | undefined; ; ) {
      const { told, next } = await feed.page(this.#selection, after, signal);
      this.#bell.throwIfFailed();
      yield this.#tell(told);
      if (next === undefined) return;
      after = next;
    }
  }

  offer(watched: Watched, isChanged: boolean): void {
    const { slot } = watched.known;
    const wasSent = this.#sent.has(slot);
    if (wasSent ? isChanged : this.#passes(watched)) this.#look(slot);
  }

  offerDeleted({ slot }: Known): void {
    if (this.#sent.has(slot)) this.#look(slot);
    else this.#changed.delete(slot);
  }

  awaits({ slot }: Known): boolean {
    return this.#sent.has(slot);
  }

  fail(error: unknown): void {
    this.#bell.fail(error);
  }

  #look(slot: number): void {
    this.#changed.add(slot);
    this.#bell.ring();
  }

  *#tell(all: readonly Told[]): Generator<WatchIntegrationsResponse> {
    for (const { known, watched } of all) {
      const answer = this.#answerOf(known, watched);
      if (answer === undefined) continue;
      yield answerInView(answer, this.#view);
      this.#bell.throwIfFailed();
    }
  }

  #answerOf(known: Known, watched: Watched | undefined): WatchIntegrationsResponse | undefined {
    const { slot } = known;
    if (known.isForgotten) return undefined; // the slot is another one's
    if (known.deleted) {
      this.#changed.delete(slot);
      return this.#sent.delete(slot) ? this.#lastOf(known.deleted.answer) : undefined;
    }
    if (watched === undefined) return undefined; // its deletion is not known yet
    if (watched.digest !== known.digest) {
      this.#changed.add(slot); // a newer one was loaded meanwhile
      return undefined;
    }
    this.#changed.delete(slot);
    if (!this.#passes(watched)) return this.#sent.delete(slot) ? this.#lastOf(watched.answer) : undefined;
    this.#sent.add(slot);
    return watched.answer;
  }

  /** Of one that is not in the scope of the caller no more than the id, as of one that is not there any more. */
  #lastOf(answer: WatchIntegrationsResponse): WatchIntegrationsResponse {
    const { integration, time } = answer;
    if (isInScope(this.#caller, integration!)) return answer;
    const { id } = integration!;
    return create(WatchIntegrationsResponseSchema, { integration: { id }, deleted: true, time: time! });
  }

  #passes(watched: Watched): boolean {
    return isWatched(watched, this.#selection, this.#filter?.states ?? [], this.#lowerCase);
  }
}
