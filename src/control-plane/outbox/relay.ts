import { type Bus, BusError } from '../../bus/bus.ts';
import type { Topics } from '../../bus/topics.ts';
import { type Backoff, backoffPause } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { untilAborted } from '../../runtime/until-aborted.ts';
import type { Warnings } from '../../runtime/warnings.ts';
import { Periodic } from '../periodic.ts';
import type { Database } from '../store/database.ts';
import type { Leadership } from '../store/leadership.ts';
import { oldestRow, type PendingRow, pendingRows, removePublished } from '../store/outbox.ts';
import { withPublishedTime } from './downlink.ts';
import { Stragglers } from './stragglers.ts';
import { Together } from './together.ts';

const POLL_INTERVAL = 1000;
const BATCH = 200;
const RETRY: Backoff = { initial: 500, max: 5000 };
/** Integrations of which a record is refused for what it is, at most: of more, the first are tried sooner again. */
const MAX_REFUSED = 1000;
/** A row that waits for longer is warned of, in seconds; the log says so once in so many milliseconds. */
const LONG = 10;
const LOG_INTERVAL = 60_000;

export interface RelayDeps {
  readonly db: Database;
  readonly leadership: Leadership;
  readonly bus: Pick<Bus, 'send' | 'feed' | 'listTopics'>;
  readonly topics: Topics;
  /** From the acknowledged tombstones to the deletion of the topics, in milliseconds. */
  readonly topicDeletionDelay: number;
  readonly metrics: Pick<Metrics, 'outboxAge'>;
  readonly warnings: Warnings;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

/** What failed so often in a row, and is not tried before a time. */
interface Pause {
  failures: number;
  until: number;
}

export interface Relay extends AsyncDisposable {
  /** Why nothing comes of it at present. */
  trouble(): string | undefined;
  /** Publishes at once: call it after a commit. Other nodes' commits are found by polling. */
  wake(): void;
}

/** Publishes downlink records from the outbox, on one node at a time. */
export function startRelay(deps: RelayDeps): Relay {
  const publisher = new Publisher(deps, () => periodic.wake());
  const periodic = new Periodic(
    {
      name: 'publishing downlink records',
      interval: POLL_INTERVAL,
      work: (signal) => publisher.begin(signal),
    },
    deps,
  );
  return {
    wake: () => periodic.wake(),
    trouble: () => periodic.trouble() ?? publisher.trouble(),
    async [Symbol.asyncDispose]() {
      await periodic[Symbol.asyncDispose]();
      await publisher[Symbol.asyncDispose]();
    },
  };
}

/**
 * Publishes what waits, to each partition by itself: one batch at a time is on its way there, so that each key keeps its
 * order, and one that Kafka does not take holds up only what goes to the same partition. A record that is refused for what
 * it is holds up its integration.
 */
export class Publisher implements AsyncDisposable {
  readonly #deps: RelayDeps;
  readonly #onDone: () => void;
  /** What is on its way, by its partition. */
  readonly #publishing = new Map<string, Promise<void>>();
  readonly #pauses = new Map<string, Pause>();
  readonly #refused = new Map<string, Pause>();
  readonly #removal: Together<PendingRow>;
  #stragglers: Stragglers | undefined;
  #term = 0;
  #why = '';
  /** Since when the oldest row waits and why, when that is long. */
  #waiting: string | undefined;
  /** When Kafka last took anything. */
  #lastTaken = Number.NEGATIVE_INFINITY;
  #nextLog = 0;

  /** @param onDone called when there may be more to do at once */
  constructor(deps: RelayDeps, onDone: () => void) {
    const { db, topicDeletionDelay } = deps;
    this.#deps = deps;
    this.#onDone = onDone;
    this.#removal = new Together((rows) =>
      db.transaction((queries) => removePublished(queries, rows, topicDeletionDelay)),
    );
  }

  /** Begins with what can be begun. Answers whether there is more. */
  async begin(signal: AbortSignal): Promise<boolean> {
    const { leadership, topics } = this.#deps;
    const found = await leadership.run(async (queries) => ({
      oldest: await oldestRow(queries),
      rows: await pendingRows(queries, topics.downlink('').partitions, this.#held(), BATCH),
    }));
    this.#tell(found?.oldest);
    if (!found) {
      this.#follow(undefined);
      return false;
    }
    if (leadership.term !== this.#term) this.#follow(leadership.term);
    // At once: what was read is true as long as this node leads, which it has just proved.
    for (const [destination, rows] of Map.groupBy(found.rows, (row) => row.destination)) {
      const done = this.#publish(destination, rows, signal).finally(() => {
        this.#publishing.delete(destination);
        if (!signal.aborted) this.#onDone();
      });
      this.#publishing.set(destination, done);
    }
    const isMore = (await this.#stragglers?.publishAgain()) ?? false;
    return isMore || found.rows.length === BATCH;
  }

  /** Resolves when nothing is on its way. */
  async idle(): Promise<void> {
    await Promise.all(this.#publishing.values());
  }

  #held() {
    const now = this.#deps.clock.monotonic();
    const paused = (pauses: ReadonlyMap<string, Pause>) =>
      [...pauses].flatMap(([name, { until }]) => (until > now ? [name] : []));
    return {
      destinations: [...this.#publishing.keys(), ...paused(this.#pauses)],
      integrationIds: paused(this.#refused),
    };
  }

  #follow(term: number | undefined): void {
    this.#stragglers?.[Symbol.dispose]();
    this.#term = term ?? 0;
    this.#stragglers = term === undefined ? undefined : new Stragglers(this.#deps);
  }

  async #publish(destination: string, rows: readonly PendingRow[], signal: AbortSignal): Promise<void> {
    const { bus, clock } = this.#deps;
    const sends = rows.map(({ topic, key, value }) =>
      bus.send(topic, { key, value: value && withPublishedTime(value, clock.now()) }),
    );
    try {
      const results = await untilAborted(Promise.allSettled(sends), signal);
      const errors = results.map((result) => (result.status === 'rejected' ? result.reason : undefined));
      const published = acknowledgedPrefix(rows, (index) => errors[index] === undefined);
      if (published.length > 0) {
        this.#lastTaken = clock.monotonic();
        await this.#removal.add(published);
      }
      for (const { integrationId } of published) this.#refused.delete(integrationId);
      for (const [index, error] of errors.entries()) {
        if (isOfRecord(error)) this.#fail(this.#refused, rows[index]!.integrationId, error);
      }
      const failure = errors.find((error) => error !== undefined && !isOfRecord(error));
      if (failure !== undefined) throw failure;
      this.#pauses.delete(destination);
    } catch (error) {
      if (!signal.aborted) this.#fail(this.#pauses, destination, error);
    }
  }

  #fail(pauses: Map<string, Pause>, name: string, error: unknown): void {
    const { clock, logger, random } = this.#deps;
    const failures = (pauses.get(name)?.failures ?? 0) + 1;
    const now = clock.monotonic();
    pauses.delete(name);
    pauses.set(name, { failures, until: now + backoffPause(RETRY, failures, random()) });
    const [first] = pauses.keys();
    if (pauses.size > MAX_REFUSED) pauses.delete(first!);
    this.#why = `${name}: ${messageOf(error)}`;
    if (now < this.#nextLog) return;
    this.#nextLog = now + LOG_INTERVAL;
    logger.warn('downlink records wait, others go on', { where: name, why: messageOf(error) });
  }

  #tell(oldest: { readonly time: Date; readonly age: number } | undefined): void {
    const { metrics, warnings } = this.#deps;
    metrics.outboxAge.set(oldest?.age ?? 0);
    const isLong = oldest !== undefined && oldest.age > LONG;
    const text = `changes of integrations wait for Kafka since ${oldest?.time.toISOString()} (${this.#why})`;
    this.#waiting = isLong ? text : undefined;
    warnings.set('outbox', this.#waiting);
  }

  /** Why nothing at all goes, although something waits. */
  trouble(): string | undefined {
    const since = this.#deps.clock.monotonic() - this.#lastTaken;
    return since > LONG * 1000 ? this.#waiting : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#follow(undefined);
    await this.idle();
  }
}

/** Whether it is the record that Kafka does not take, now and later. */
const isOfRecord = (error: unknown) => error instanceof BusError && !error.retriable;

/** Of each integration, the rows before its first that Kafka did not take. */
export function acknowledgedPrefix(
  rows: readonly PendingRow[],
  isAcknowledged: (index: number) => boolean,
): PendingRow[] {
  const stuck = new Set<string>();
  return rows.filter(({ integrationId }, index) => {
    if (!isAcknowledged(index)) stuck.add(integrationId);
    return !stuck.has(integrationId);
  });
}
