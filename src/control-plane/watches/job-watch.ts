import { create } from '@bufbuild/protobuf';
import { type Job, JobSchema } from '../../../gen/penstock/v1/watch_service_pb.ts';
import { toRedrive, toReplay } from '../jobs/shown-jobs.ts';
import type { JobRow } from '../store/jobs.ts';
import type { ScopeSelection } from '../store/scoped.ts';
import { Bell } from './bell.ts';
import { type JobFeed, JobWatcher } from './job-feed.ts';
import type { SharedFeed } from './shared-feed.ts';

/** The jobs that run, then `synced`, then those that change, until the signal aborts. */
export async function* jobLists(
  feeds: SharedFeed<JobFeed>,
  scope: ScopeSelection | undefined,
  signal: AbortSignal,
): AsyncGenerator<readonly Job[] | 'synced'> {
  const bell = new Bell();
  using joined = feeds.join(bell);
  const { feed } = joined;
  const watcher = new JobWatcher(bell);
  try {
    yield (await feed.inScope(await feed.start(watcher, signal), scope)).map(toJob);
    yield 'synced';
    for (;;) {
      bell.throwIfFailed();
      const rows = watcher.take();
      if (rows.length === 0) await bell.rung(signal);
      else yield (await feed.inScope(rows, scope)).map(toJob);
    }
  } finally {
    feed.remove(watcher);
  }
}

function toJob(row: JobRow): Job {
  const job =
    row.kind === 'replay'
      ? { case: 'replay' as const, value: toReplay(row) }
      : { case: 'redrive' as const, value: toRedrive(row) };
  return create(JobSchema, { job });
}
