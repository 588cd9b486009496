import type { Caller } from '../../rpc/caller.ts';
import type { Clock } from '../../runtime/clock.ts';
import { trailOf } from '../audit/audit-trail.ts';
import type { Difference } from '../audit/differences.ts';
import type { Database } from '../store/database.ts';
import { finishJob, type JobRow, JobState } from '../store/jobs.ts';
import { findJobInScope } from './job-scope.ts';

interface CancelDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly wakeJobs: () => void;
}

/** Cancels a job; of one that has ended it changes nothing. @param changesOf what the audit record tells of it */
export async function cancelJob(
  { db, clock, wakeJobs }: CancelDeps,
  caller: Caller,
  { kind, id }: Pick<JobRow, 'kind' | 'id'>,
  changesOf: (before: JobRow, after: JobRow) => readonly Difference[],
): Promise<JobRow> {
  const row = await db.transaction(async (queries) => {
    const before = await findJobInScope(queries, caller, kind, id, true);
    if (before.state !== JobState.RUNNING) return before;
    await finishJob(queries, id, JobState.CANCELLED, new Date(clock.now()));
    const after = await findJobInScope(queries, caller, kind, id);
    await trailOf(caller)?.changed(queries, `${kind}s/${id}`, changesOf(before, after));
    return after;
  });
  wakeJobs();
  return row;
}
