import { BusError } from '../../bus/bus.ts';
import { type Backoff, backoffPause } from '../../runtime/backoff.ts';
import { withDeadline } from '../../runtime/deadline.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import { runRedrive } from '../dead-letters/kept-redrive.ts';
import type { RedriveDeps } from '../dead-letters/redrive.ts';
import { deadLettersLock } from '../integrations/guards.ts';
import { Periodic } from '../periodic.ts';
import { runReplay } from '../replays/replay.ts';
import { finishJob, JobState, type RunningJob, runningJobs } from '../store/jobs.ts';
import type { Lock, Locks } from '../store/locks.ts';

/** How soon a job that was begun, left or cancelled elsewhere is noticed. */
const INTERVAL = 500;
const MAX_AT_ONCE = 4;
/** Between two tries of one that cannot go on: it keeps no place meanwhile. */
const RETRY: Backoff = { initial: 2000, max: 60_000 };
/** How long one goes on while others wait for its place. */
const TURN = 10_000;
/** Each time that it came nowhere, it has twice as long the next time: what it did is done anew. So often. */
const MAX_DOUBLINGS = 6;
const STOP_DEADLINE = 5000;

export interface JobsDeps extends RedriveDeps {
  readonly locks: Locks;
  readonly logger: Logger;
  readonly random: () => number;
}

interface Run {
  readonly stop: AbortController;
  readonly ended: Promise<void>;
  /** When others may have its place. */
  readonly turnEnds: number;
}

/** What this node knows of a job that it has run. */
interface Past {
  /** When it last ran, as the number of its run: who ran longest ago comes first. */
  readonly run: number;
  /** How often in a row it could not go on, and until when it is left alone for that. */
  readonly failures: number;
  readonly until: number;
  /** How often in a row nothing was kept of what it did. */
  readonly barren: number;
}

/**
 * Runs replays and redrives that no other node runs: each under its lock, so that another goes on with it when this node is gone. A few
 * at a time; when there are more, they take turns.
 */
export class Jobs implements AsyncDisposable {
  readonly #deps: JobsDeps;
  readonly #runs = new Map<string, Run>();
  readonly #pasts = new Map<string, Past>();
  #count = 0;
  readonly #periodic: Periodic;

  constructor(deps: JobsDeps) {
    this.#deps = deps;
    this.#periodic = new Periodic(
      { name: 'running replays and redrives', interval: INTERVAL, work: (signal) => this.#look(signal) },
      deps,
    );
  }

  wake(): void {
    this.#periodic.wake();
  }

  async #look(signal: AbortSignal): Promise<boolean> {
    const jobs = await runningJobs(this.#deps.db);
    const ids = new Set(jobs.map(({ id }) => id));
    for (const [id, run] of this.#runs) {
      if (!ids.has(id)) run.stop.abort(new Error('it is over'));
    }
    for (const id of this.#pasts.keys()) if (!ids.has(id)) this.#pasts.delete(id);
    let isAnyLeft = false;
    for (const job of this.#waiting(jobs)) {
      isAnyLeft = this.#going().length >= MAX_AT_ONCE;
      if (isAnyLeft) break;
      const lock = await this.#deps.locks.tryLock(lockOf(job));
      if (lock && signal.aborted) await lock[Symbol.asyncDispose]();
      else if (lock) this.#start(job, lock);
    }
    if (isAnyLeft) this.#endTurn();
    return false;
  }

  /** Those that may begin, in their order. */
  #waiting(jobs: readonly RunningJob[]): readonly RunningJob[] {
    const now = this.#deps.clock.monotonic();
    const runOf = (id: string) => this.#pasts.get(id)?.run ?? 0;
    return jobs
      .filter(({ id }) => !this.#runs.has(id) && (this.#pasts.get(id)?.until ?? 0) <= now)
      .toSorted((a, b) => runOf(a.id) - runOf(b.id));
  }

  /** Those that have a place, who has run the longest first. One that was stopped may hang for some seconds, without one. */
  #going(): readonly Run[] {
    return [...this.#runs.values()].filter(({ stop }) => !stop.signal.aborted);
  }

  /** Others wait: the one that has run the longest goes on after them, where it is. */
  #endTurn(): void {
    const now = this.#deps.clock.monotonic();
    const over = this.#going().find(({ turnEnds }) => turnEnds <= now);
    over?.stop.abort(new Error('others wait for their turn'));
  }

  #start(job: RunningJob, lock: Lock): void {
    const stop = new AbortController();
    const ended = this.#run(job, AbortSignal.any([stop.signal, lock.signal])).finally(async () => {
      await lock[Symbol.asyncDispose]();
      this.#runs.delete(job.id);
    });
    const turn = TURN * 2 ** Math.min(this.#pasts.get(job.id)?.barren ?? 0, MAX_DOUBLINGS);
    this.#runs.set(job.id, { stop, ended, turnEnds: this.#deps.clock.monotonic() + turn });
  }

  async #run({ id, kind }: RunningJob, signal: AbortSignal): Promise<void> {
    const { db, clock, logger, random } = this.#deps;
    const { failures = 0, barren = 0 } = this.#pasts.get(id) ?? {};
    const past = { run: ++this.#count, failures: 0, until: 0, barren: barren + 1 };
    const movedOn = () => {
      past.barren = 0;
    };
    try {
      await (kind === 'replay' ? runReplay : runRedrive)(this.#deps, id, signal, movedOn);
      logger.info(`a ${kind} is over`, { id });
    } catch (error) {
      if (signal.aborted) return;
      if (failures === 0) logger.warn(`a ${kind} cannot go on, trying again`, { id, why: messageOf(error) });
      past.failures = failures + 1;
      past.until = clock.monotonic() + backoffPause(RETRY, past.failures, random());
      if (error instanceof BusError && (error.reason === 'unknown-topic' || error.reason === 'too-large')) {
        const end = finishJob(db, id, JobState.FAILED, new Date(clock.now()), error.message);
        await end.catch(() => {}); // the next try comes to the same end
      }
    } finally {
      this.#pasts.set(id, past);
    }
  }

  /** What is on its way to Kafka is accounted for, then another node may go on. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { clock, logger } = this.#deps;
    await this.#periodic[Symbol.asyncDispose]();
    const runs = [...this.#runs.values()];
    for (const { stop } of runs) stop.abort(new Error('the node stops'));
    const ended = Promise.allSettled(runs.map((run) => run.ended));
    await withDeadline(clock, STOP_DEADLINE, 'stopping replays and redrives', ended).catch((error) =>
      logger.warn('replays or redrives did not stop in time: some messages may be sent twice', {
        why: messageOf(error),
      }),
    );
  }
}

/** Of an integration one redrive or purge runs at a time. */
const lockOf = ({ id, kind, sourceId }: RunningJob): string =>
  kind === 'replay' ? `replay ${id}` : deadLettersLock(sourceId);
