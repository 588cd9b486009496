import type { Clock } from '../../runtime/clock.ts';
import type { Bell } from './bell.ts';

/** How often PostgreSQL is asked what is new, in milliseconds, unless a feed says otherwise. */
const INTERVAL = 500;

/** What is new, for all who watch it. */
export interface Feed {
  /** Looks once at what is new. True: there is more to do at once. */
  turn(): Promise<boolean>;
}

interface Run<F> {
  readonly feed: F;
  readonly bells: Set<Bell>;
  readonly over: AbortController;
}

/**
 * A feed that all watchers of a kind share, so that PostgreSQL is asked as often for a thousand of them as for one. It is
 * there while anybody watches. When it fails, all of them end with the error, and who watches again begins a new one.
 */
export class SharedFeed<F extends Feed> {
  readonly #clock: Clock;
  readonly #make: () => F;
  readonly #interval: number;
  #run: Run<F> | undefined;

  constructor(clock: Clock, make: () => F, interval = INTERVAL) {
    this.#clock = clock;
    this.#make = make;
    this.#interval = interval;
  }

  /** The feed, for one watcher until it is disposed. */
  join(bell: Bell): { readonly feed: F } & Disposable {
    this.#run ??= this.#begin();
    const run = this.#run;
    run.bells.add(bell);
    return { feed: run.feed, [Symbol.dispose]: () => this.#leave(run, bell) };
  }

  #begin(): Run<F> {
    const run = { feed: this.#make(), bells: new Set<Bell>(), over: new AbortController() };
    void this.#turns(run);
    return run;
  }

  #leave(run: Run<F>, bell: Bell): void {
    run.bells.delete(bell);
    if (run.bells.size === 0) this.#end(run);
  }

  #end(run: Run<F>): void {
    if (this.#run === run) this.#run = undefined;
    run.over.abort(new Error('nobody watches any more'));
  }

  async #turns(run: Run<F>): Promise<void> {
    const { signal } = run.over;
    try {
      while (!signal.aborted) {
        if (!(await run.feed.turn())) await this.#clock.sleep(this.#interval, signal);
      }
    } catch (error) {
      this.#end(run);
      for (const bell of run.bells) bell.fail(error);
    }
  }
}
