import type { Clock } from './clock.ts';
import { withDeadline } from './deadline.ts';
import { type Logger, messageOf } from './logger.ts';

/** How often each condition is looked at, in milliseconds. Who asks is told what was found last. */
const INTERVAL = 1000;
const DEADLINE = 10_000;

/** Something that a node needs to do its work. */
export interface Condition {
  /** What is in trouble then: `kafka`, `postgresql`. */
  readonly name: string;
  /** For how long, in milliseconds, it has to be in trouble at each look until the node is not ready: what passes is none. */
  readonly patience: number;
  /** Why the node cannot do its work; undefined: it can. */
  trouble(): string | undefined | Promise<string | undefined>;
}

/** What services of a node rest on. */
export interface ReadinessPart {
  /** Full names of services. */
  readonly services: readonly string[];
  readonly conditions: readonly Condition[];
}

export interface Problem {
  readonly name: string;
  readonly reason: string;
}

interface Watched {
  readonly condition: Condition;
  readonly services: readonly string[];
  since: number | undefined;
  problem: Problem | undefined;
}

interface Deps {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Whether a node can do its work, and what keeps it from it: looks at its conditions each second until it is disposed. */
export class Readiness implements Disposable {
  readonly #deps: Deps;
  readonly #watched: readonly Watched[];
  readonly #stop = new AbortController();
  readonly #listeners = new Set<() => void>();

  constructor(parts: readonly ReadinessPart[], deps: Deps) {
    this.#deps = deps;
    this.#watched = parts.flatMap(({ services, conditions }) =>
      conditions.map((condition) => ({ condition, services, since: undefined, problem: undefined })),
    );
    for (const watched of this.#watched) void this.#watch(watched);
  }

  /** What keeps the node from its work; or from what belongs to this service. */
  problems(service?: string): readonly Problem[] {
    return this.#watched.flatMap(({ services, problem }) =>
      problem && (service === undefined || services.includes(service)) ? [problem] : [],
    );
  }

  /** Called when something came into trouble, or out of it. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Looks at once at what is in trouble: it may be out of it. */
  async look(): Promise<void> {
    const troubled = this.#watched.filter(({ problem }) => problem);
    await Promise.all(troubled.map(async (one) => this.#note(one, await this.#troubleOf(one.condition))));
  }

  async #watch(watched: Watched): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      this.#note(watched, await this.#troubleOf(watched.condition));
      await this.#deps.clock.sleep(INTERVAL, signal).catch(() => {});
    }
  }

  async #troubleOf({ name, trouble }: Condition): Promise<string | undefined> {
    try {
      return await withDeadline(
        this.#deps.clock,
        DEADLINE,
        name,
        (async () => trouble())(),
        this.#stop.signal,
      );
    } catch (error) {
      return messageOf(error);
    }
  }

  #note(watched: Watched, reason: string | undefined): void {
    if (this.#stop.signal.aborted) return;
    const { clock, logger } = this.#deps;
    const { condition, problem: before } = watched;
    const { name, patience } = condition;
    watched.since = reason === undefined ? undefined : (watched.since ?? clock.monotonic());
    const isLong = watched.since !== undefined && clock.monotonic() - watched.since >= patience;
    watched.problem = reason !== undefined && isLong ? { name, reason } : undefined;
    if ((before === undefined) === (watched.problem === undefined)) return;
    if (watched.problem) logger.warn('this node is not ready', { part: name, why: watched.problem.reason });
    else logger.info('this node is ready again', { part: name });
    for (const listener of this.#listeners) listener();
  }

  [Symbol.dispose](): void {
    this.#stop.abort(new Error('the node stops'));
  }
}
