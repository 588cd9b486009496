import type { WatchResponse } from '../../../src/client/contract.ts';
import {
  Code,
  type Event,
  type Integration,
  type Job,
  type Node,
  PenstockError,
} from '../../../src/client/contract.ts';
import { withJobs, withoutLost } from './jobs.ts';
import { type Changes, type Connection, MAX_EVENTS, type ToTab } from './messages.ts';

/** Tabs are told at most so often, in milliseconds. */
const FLUSH = 100;
/** The server says something every 5 s: after so many milliseconds of silence the connection is cut. */
const SILENCE = 11_000;
const RETRY = { first: 500, most: 5000 };

interface HubDeps {
  /** Everything there is, and then what changes. */
  watch(signal: AbortSignal): AsyncIterable<WatchResponse>;
  now(): number;
  /** Calls back once, later. Answers what cancels it. */
  later(callback: () => void, ms: number): () => void;
}

/** One stream from the server for all tabs of a browser: HTTP/1.1 gives it six connections in all. */
export class Hub {
  readonly #deps: HubDeps;
  readonly #tabs = new Set<(message: ToTab) => void>();
  readonly #integrations = new Map<string, Integration>();
  #events: Event[] = [];
  #nodes: readonly Node[] = [];
  #jobs: readonly Job[] = [];
  #connection: Connection = { state: 'connecting' };
  #isSynced = false;
  #syncs = 0;
  #ahead = 0;
  /** What came since the stream began: undefined once all of it has come. */
  #seen: Set<string> | undefined;
  #changed = new Set<string>();
  #newEvents: Event[] = [];
  #haveNodesChanged = false;
  #haveJobsChanged = false;
  #cancelFlush: (() => void) | undefined;
  #wake: (() => void) | undefined;
  /** Ends the stream that there is, so that another one begins. */
  #restart: (() => void) | undefined;

  constructor(deps: HubDeps) {
    this.#deps = deps;
  }

  /** Tells a tab everything there is, and from then on what changes. Answers what ends that. */
  add(tab: (message: ToTab) => void): () => void {
    tab({ kind: 'connection', connection: this.#connection });
    const all = { integrations: [...this.#integrations.values()], deleted: [] };
    this.#tell(tab, { ...all, events: this.#events, nodes: this.#nodes, jobs: this.#jobs }, true);
    this.#tabs.add(tab);
    return () => this.#tabs.delete(tab);
  }

  /** Tries again at once. */
  retry(): void {
    this.#wake?.();
  }

  /** Somebody logged in, or out: nothing of what was shown is kept, and the stream begins anew as whoever it is now. */
  changeCaller(): void {
    this.#forget();
    this.#become({ state: 'connecting' });
    for (const tab of this.#tabs) tab({ kind: 'caller' });
    this.#restart?.();
    this.#wake?.();
  }

  /** Follows the server until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      if (this.#connection.state !== 'down') this.#become({ state: 'connecting' });
      const stream = new AbortController();
      const anew = new Promise<'anew'>((resolve) => {
        this.#restart = () => {
          stream.abort();
          resolve('anew');
        };
      });
      try {
        const following = this.#follow(AbortSignal.any([signal, stream.signal]), () => {
          failures = 0;
        });
        if ((await Promise.race([following, anew])) === 'anew') {
          following.catch(() => {}); // nobody waits for it any more
          continue;
        }
        this.#lost('the stream ended', failures++);
      } catch (error) {
        if (signal.aborted) return;
        if (stream.signal.aborted) continue;
        if (error instanceof PenstockError && error.code === Code.UNAUTHENTICATED) {
          this.#forget();
          this.#become({ state: 'login' });
        } else this.#lost(error instanceof Error ? error.message : String(error), failures++);
      }
      await this.#pause(signal);
    }
  }

  async #follow(signal: AbortSignal, onMessage: () => void): Promise<void> {
    const { watch, later } = this.#deps;
    const silence = new AbortController();
    let cancel = later(() => silence.abort(), SILENCE);
    this.#seen = new Set();
    try {
      for await (const message of watch(AbortSignal.any([signal, silence.signal]))) {
        if (signal.aborted) return;
        cancel();
        cancel = later(() => silence.abort(), SILENCE);
        onMessage();
        this.#take(message);
      }
    } catch (error) {
      if (silence.signal.aborted) throw new Error('the server says nothing any more');
      throw error;
    } finally {
      cancel();
    }
  }

  #take({ time, integrations, events, nodes, jobs, synced }: WatchResponse): void {
    if (time) this.#ahead = Number(time.seconds) * 1000 + time.nanos / 1e6 - this.#deps.now();
    for (const { integration, deleted } of integrations) {
      if (integration === undefined) continue;
      const { id } = integration;
      this.#seen?.add(id);
      if (deleted) this.#integrations.delete(id);
      else this.#integrations.set(id, integration);
      this.#changed.add(id);
    }
    this.#newEvents.push(...events);
    if (nodes.length > 0) {
      this.#nodes = nodes;
      this.#haveNodesChanged = true;
    }
    if (jobs.length > 0) {
      for (const { job } of jobs) if (job.value) this.#seen?.add(job.value.id);
      this.#jobs = withJobs(this.#jobs, jobs);
      this.#haveJobsChanged = true;
    }
    if (synced) this.#sync();
    this.#become({ state: 'live' });
    this.#cancelFlush ??= this.#deps.later(() => this.#flush(), FLUSH);
  }

  /** Everything has come: what did not come is gone. */
  #sync(): void {
    for (const id of this.#integrations.keys()) {
      if (this.#seen && !this.#seen.has(id)) {
        this.#integrations.delete(id);
        this.#changed.add(id);
      }
    }
    if (this.#seen) this.#jobs = withoutLost(this.#jobs, this.#seen);
    this.#haveJobsChanged = true;
    this.#seen = undefined;
    this.#isSynced = true;
    this.#syncs++;
  }

  #flush(): void {
    this.#cancelFlush = undefined;
    const changed = [...this.#changed];
    const changes: Changes = {
      integrations: changed.flatMap((id) => this.#integrations.get(id) ?? []),
      deleted: changed.filter((id) => !this.#integrations.has(id)),
      events: this.#newEvents,
      nodes: this.#haveNodesChanged ? this.#nodes : undefined,
      jobs: this.#haveJobsChanged ? this.#jobs : undefined,
    };
    this.#events = [...this.#events, ...this.#newEvents].slice(-MAX_EVENTS);
    this.#changed = new Set();
    this.#newEvents = [];
    this.#haveNodesChanged = false;
    this.#haveJobsChanged = false;
    for (const tab of this.#tabs) this.#tell(tab, changes, false);
  }

  #tell(tab: (message: ToTab) => void, changes: Changes, isWhole: boolean): void {
    tab({
      kind: 'changes',
      isWhole,
      isSynced: this.#isSynced,
      syncs: this.#syncs,
      ahead: this.#ahead,
      ...changes,
    });
  }

  #lost(why: string, failures: number): void {
    const now = this.#deps.now();
    const since = this.#connection.state === 'down' ? this.#connection.since : now;
    const nextTry = now + Math.min(RETRY.first * 2 ** failures, RETRY.most);
    this.#become({ state: 'down', since, nextTry, why });
  }

  /** Whoever logs in next may not see what was shown before. */
  #forget(): void {
    this.#integrations.clear();
    this.#events = [];
    this.#nodes = [];
    this.#jobs = [];
    this.#changed = new Set();
    this.#newEvents = [];
    this.#isSynced = false;
    for (const tab of this.#tabs)
      this.#tell(tab, { integrations: [], deleted: [], events: [], nodes: [], jobs: [] }, true);
  }

  #become(connection: Connection): void {
    if (this.#connection.state === connection.state && connection.state !== 'down') return;
    this.#connection = connection;
    for (const tab of this.#tabs) tab({ kind: 'connection', connection });
  }

  /** Until the next try; without a login until somebody has logged in. */
  async #pause(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const connection = this.#connection;
    const wait = connection.state === 'down' ? connection.nextTry - this.#deps.now() : undefined;
    const cancel = wait === undefined ? () => {} : this.#deps.later(resolve, Math.max(0, wait));
    this.#wake = resolve;
    const onAbort = () => resolve();
    signal.addEventListener('abort', onAbort, { once: true });
    await promise;
    signal.removeEventListener('abort', onAbort);
    cancel();
    this.#wake = undefined;
  }
}
