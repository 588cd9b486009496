import { type Job, type Redrive, type Replay, ReplayState } from '../../../src/client/contract.ts';

/** Those that ended are kept for pages that tell how, so many of them. */
const MAX_ENDED = 100;

/** A replay or a redrive: both have an id, and their states are numbered alike. */
type JobValue = Replay | Redrive;

export const isRunning = ({ state }: { readonly state: number }): boolean => state === ReplayState.RUNNING;

/** The jobs with what was told of some of them: each as it is now, the one that was told of first first. */
export function withJobs(known: readonly Job[], told: readonly Job[]): readonly Job[] {
  const byId = new Map(known.map((one) => [one.job.value?.id, one]));
  for (const one of told) byId.set(one.job.value?.id, one);
  const all = [...byId.values()];
  const ended = all.filter(({ job }) => job.value && !isRunning(job.value));
  const old = new Set(ended.slice(0, Math.max(0, ended.length - MAX_ENDED)));
  return all.filter((one) => !old.has(one));
}

/** The jobs without those that were running and were not told of anew: they ended meanwhile. */
export const withoutLost = (known: readonly Job[], told: ReadonlySet<string>): readonly Job[] =>
  known.filter(({ job }) => job.value && (!isRunning(job.value) || told.has(job.value.id)));

export const redrivesIn = (jobs: readonly Job[]): readonly Redrive[] =>
  jobs.flatMap(({ job }) => (job.case === 'redrive' ? [job.value] : []));

export const replaysIn = (jobs: readonly Job[]): readonly Replay[] =>
  jobs.flatMap(({ job }) => (job.case === 'replay' ? [job.value] : []));

/**
 * What a list, the newest first, is with what was told since: each as it is now, and before them those that began since. One that has
 * ended and began before the first that is listed may be on another page.
 */
export function renewed<T extends JobValue>(listed: readonly T[], told: readonly T[]): readonly T[] {
  const byId = new Map(told.map((one) => [one.id, one]));
  const known = new Set(listed.map(({ id }) => id));
  const newest = begunAt(listed[0]);
  const isNew = (one: T) => isRunning(one) || begunAt(one) > newest;
  const begun = told
    .filter((one) => !known.has(one.id) && isNew(one))
    .toSorted((a, b) => Number(begunAt(b) - begunAt(a)));
  return [...begun, ...listed.map((one) => newerOf(one, byId.get(one.id)))];
}

/** In nanoseconds. */
const begunAt = (job: JobValue | undefined): bigint =>
  job?.createTime ? job.createTime.seconds * 1_000_000_000n + BigInt(job.createTime.nanos) : -1n;

/** One that has ended changes no more. */
const newerOf = <T extends JobValue>(listed: T, told: T | undefined): T =>
  told && isRunning(listed) ? told : listed;
