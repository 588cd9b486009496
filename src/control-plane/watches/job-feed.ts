import { OneByOne } from '../../runtime/one-by-one.ts';
import type { Queries } from '../store/database.ts';
import { type JobRow, jobsSince, runningRows } from '../store/jobs.ts';
import { idsInScope, type ScopeSelection } from '../store/scoped.ts';
import { settledVersion, type Version } from '../store/versions.ts';
import type { Bell } from './bell.ts';
import type { Feed } from './shared-feed.ts';
import { tooSlow } from './slow-reader.ts';

/** Jobs that wait for one watcher. */
const MAX_WAITING = 1000;

/** What waits for one watcher: of each job the newest. */
export class JobWatcher {
  readonly #bell: Bell;
  readonly #waiting = new Map<string, JobRow>();

  constructor(bell: Bell) {
    this.#bell = bell;
  }

  offer(row: JobRow): void {
    this.#waiting.set(row.id, row);
    if (this.#waiting.size > MAX_WAITING) this.#bell.fail(tooSlow());
    this.#bell.ring();
  }

  take(): readonly JobRow[] {
    const rows = [...this.#waiting.values()];
    this.#waiting.clear();
    return rows;
  }
}

/** The replays and redrives that were started, as they change, for all who watch them. */
export class JobFeed implements Feed {
  readonly #db: Queries;
  readonly #jobs = new OneByOne();
  readonly #watchers = new Set<JobWatcher>();
  #version: Version | undefined;

  constructor(db: Queries) {
    this.#db = db;
  }

  turn(): Promise<boolean> {
    return this.#jobs.runFirst(async () => {
      const version = await settledVersion(this.#db);
      // Those of the first turn changed before anybody watched.
      const rows = this.#version === undefined ? [] : await jobsSince(this.#db, this.#version);
      this.#version = version;
      for (const row of rows) for (const watcher of this.#watchers) watcher.offer(row);
      return false;
    });
  }

  /** Those that run now. From then on the watcher is told of those that change, until it is removed. */
  start(watcher: JobWatcher, signal: AbortSignal): Promise<readonly JobRow[]> {
    return this.#jobs.run(async () => {
      signal.throwIfAborted(); // nobody waits for it any more
      this.#version ??= await settledVersion(this.#db); // what changes from here on, the next turn tells
      this.#watchers.add(watcher);
      return await runningRows(this.#db);
    });
  }

  remove(watcher: JobWatcher): void {
    this.#watchers.delete(watcher);
  }

  /** Those of the jobs whose source and target are in the scope now; without one all of them, and nothing is asked. */
  async inScope(rows: readonly JobRow[], scope: ScopeSelection | undefined): Promise<readonly JobRow[]> {
    if (scope === undefined || rows.length === 0) return rows;
    const ids = rows.flatMap((row) => [row.integration_id, row.target_integration_id]);
    const inside = await this.#jobs.run(() => idsInScope(this.#db, [...new Set(ids)], scope));
    return rows.filter((row) => inside.has(row.integration_id) && inside.has(row.target_integration_id));
  }
}
