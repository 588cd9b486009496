import { ReplayState } from '../../gen/penstock/v1/replay_service_pb.ts';
import { BusError } from '../bus/bus.ts';
import { withDeadline } from '../runtime/deadline.ts';
import { type Logger, messageOf } from '../runtime/logger.ts';
import { Periodic } from './periodic.ts';
import { type ReplayDeps, runReplay } from './replay.ts';
import type { Lock, Locks } from './store/locks.ts';
import { finishReplay, runningReplayIds } from './store/replays.ts';

/** How soon a replay that was begun, left or cancelled elsewhere is noticed. */
const INTERVAL = 500;
const MAX_AT_ONCE = 4;
const PAUSE_AFTER_FAILURE = 2000;
const STOP_DEADLINE = 5000;

export interface ReplaysDeps extends ReplayDeps {
  readonly locks: Locks;
  readonly logger: Logger;
  readonly random: () => number;
}

interface Run {
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/** Runs replays that no other node runs: each under its lock, so that another goes on with it when this node is gone. */
export class Replays implements AsyncDisposable {
  readonly #deps: ReplaysDeps;
  readonly #runs = new Map<string, Run>();
  readonly #periodic: Periodic;

  constructor(deps: ReplaysDeps) {
    this.#deps = deps;
    this.#periodic = new Periodic(
      { name: 'running replays', interval: INTERVAL, work: (signal) => this.#look(signal) },
      deps,
    );
  }

  wake(): void {
    this.#periodic.wake();
  }

  async #look(signal: AbortSignal): Promise<boolean> {
    const ids = await runningReplayIds(this.#deps.db);
    for (const [id, run] of this.#runs) {
      if (!ids.includes(id)) run.stop.abort(new Error('the replay is over'));
    }
    for (const id of ids) {
      if (this.#runs.size >= MAX_AT_ONCE) break;
      const lock = this.#runs.has(id) ? undefined : await this.#deps.locks.tryLock(`replay ${id}`);
      if (lock && signal.aborted) await lock[Symbol.asyncDispose]();
      else if (lock) this.#start(id, lock);
    }
    return false;
  }

  #start(id: string, lock: Lock): void {
    const stop = new AbortController();
    const ended = this.#run(id, AbortSignal.any([stop.signal, lock.signal])).finally(async () => {
      await lock[Symbol.asyncDispose]();
      this.#runs.delete(id);
    });
    this.#runs.set(id, { stop, ended });
  }

  async #run(id: string, signal: AbortSignal): Promise<void> {
    const { db, clock, logger } = this.#deps;
    try {
      await runReplay(this.#deps, id, signal);
      logger.info('a replay is over', { replay: id });
    } catch (error) {
      if (signal.aborted) return;
      logger.warn('a replay cannot go on, trying again', { replay: id, why: messageOf(error) });
      if (error instanceof BusError && (error.reason === 'unknown-topic' || error.reason === 'too-large')) {
        const end = finishReplay(db, id, ReplayState.FAILED, new Date(clock.now()), error.message);
        await end.catch(() => {}); // the next try comes to the same end
      }
      await clock.sleep(PAUSE_AFTER_FAILURE, signal).catch(() => {});
    }
  }

  /** What is on its way to Kafka is accounted for, then another node may go on. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { clock, logger } = this.#deps;
    await this.#periodic[Symbol.asyncDispose]();
    const runs = [...this.#runs.values()];
    for (const { stop } of runs) stop.abort(new Error('the node stops'));
    const ended = Promise.allSettled(runs.map((run) => run.ended));
    await withDeadline(clock, STOP_DEADLINE, 'stopping replays', ended).catch((error) =>
      logger.warn('replays did not stop in time: some messages may be sent twice', { why: messageOf(error) }),
    );
  }
}
