import type { Bus } from '../../bus/bus.ts';
import type { Topics } from '../../bus/topics.ts';
import { messageOf } from '../../runtime/logger.ts';
import { Periodic, type PeriodicDeps } from '../periodic.ts';
import { hasState, type Queries } from '../store/database.ts';
import {
  type DeadLettersThere,
  forgetOtherCounts,
  keepDeadLetterCounts,
} from '../store/dead-letter-counts.ts';
import { runningJobs } from '../store/jobs.ts';
import type { Lock, Locks } from '../store/locks.ts';
import { deadLetterRanges, withDeadLetters } from './dead-letters.ts';

/** Integrations that are counted in one statement. */
const BATCH = 100;
/** SQLSTATEs of what lies in what is counted: too much for the time of a query, or an integration that was just deleted. */
const OF_THESE = /^(57014|23503)/;
/** In one of so many rounds all are counted, in the others those of which something came or went. */
const ROUNDS = 10;

interface Deps extends PeriodicDeps {
  readonly db: Queries;
  readonly bus: Pick<Bus, 'listTopics' | 'offsetsOfTopics'>;
  readonly topics: Topics;
  readonly locks: Pick<Locks, 'tryLock'>;
  /** How often, in milliseconds. */
  readonly deadLetterCountInterval: number;
}

/** Counts the dead letters of one integration, after some were put back or removed. */
export async function countAgain(
  deps: Pick<Deps, 'db' | 'topics'> & { readonly bus: Pick<Bus, 'partitions' | 'offsets'> },
  integrationId: string,
): Promise<void> {
  const ranges = await deadLetterRanges(deps, integrationId);
  await keepDeadLetterCounts(deps.db, [{ integrationId, ranges }]);
}

/** Counts the dead letters of all integrations, now and then, on one node for as long as that runs. */
export class DeadLetterCounts implements AsyncDisposable {
  readonly #deps: Deps;
  readonly #periodic: Periodic;
  #lock: Lock | undefined;
  /** The ranges that were counted, by integration. */
  readonly #counted = new Map<string, string>();
  #round = 0;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#periodic = new Periodic(
      {
        name: 'counting dead letters',
        interval: deps.deadLetterCountInterval,
        work: (signal) => this.#count(signal),
      },
      deps,
    );
  }

  async #count(signal: AbortSignal): Promise<false> {
    if (!(await this.#isOurs())) return false;
    const { db, bus, topics } = this.#deps;
    if (this.#round++ % ROUNDS === 0) this.#counted.clear();
    const ids = await withDeadLetters(this.#deps);
    const offsets = await bus.offsetsOfTopics(ids.map((id) => topics.deadLetters(id).name));
    const there = ids.flatMap((integrationId): DeadLettersThere[] => {
      const ranges = offsets.get(topics.deadLetters(integrationId).name);
      return ranges ? [{ integrationId, ranges }] : [];
    });
    const redriven = new Set((await runningJobs(db)).map(({ sourceId }) => sourceId));
    const changed = there.filter((one) => redriven.has(one.integrationId) || this.#isNew(one));
    for (let start = 0; start < changed.length; start += BATCH) {
      await this.#keep(changed.slice(start, start + BATCH), signal);
    }
    await forgetOtherCounts(db, ids);
    return false;
  }

  /** One that cannot be counted, as there are too many marks for the time of a query, holds up no other. */
  async #keep(some: readonly DeadLettersThere[], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { db, logger } = this.#deps;
    try {
      await keepDeadLetterCounts(db, some);
      for (const one of some) this.#counted.set(one.integrationId, textOf(one));
    } catch (error) {
      if (!hasState(error, OF_THESE)) throw error;
      if (some.length === 1) {
        const { integrationId } = some[0]!;
        const why = messageOf(error);
        logger.warn('the dead letters of an integration are not counted', {
          integration: integrationId,
          why,
        });
        return;
      }
      const half = some.length >> 1;
      for (const part of [some.slice(0, half), some.slice(half)]) await this.#keep(part, signal);
    }
  }

  /** Whether this node is the one that counts: it is for as long as it has the lock. */
  async #isOurs(): Promise<boolean> {
    if (this.#lock?.signal.aborted) this.#lock = undefined;
    if (this.#lock) return true;
    this.#lock = await this.#deps.locks.tryLock('counting dead letters');
    this.#counted.clear(); // somebody else may have counted meanwhile
    return this.#lock !== undefined;
  }

  #isNew(one: DeadLettersThere): boolean {
    return this.#counted.get(one.integrationId) !== textOf(one);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#periodic[Symbol.asyncDispose]();
    await this.#lock?.[Symbol.asyncDispose]();
  }
}

const textOf = ({ ranges }: DeadLettersThere): string =>
  [...ranges].map(([partition, { start, end }]) => `${partition}:${start}-${end}`).join();
