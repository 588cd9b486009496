import { isRunning } from '../live/jobs.ts';
import { jobs } from '../live/live.ts';

/** Replays and redrives run on the server, whoever looks: that some do is in sight on every page. */
export function RunningJobs() {
  const count = jobs.value.filter(({ job }) => job.value && isRunning(job.value)).length;
  if (count === 0) return null;
  return (
    <p class="pill wait">
      <a href="/replays">{count === 1 ? '1 replay or redrive runs' : `${count} replays and redrives run`}</a>
    </p>
  );
}
