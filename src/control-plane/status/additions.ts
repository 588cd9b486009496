import type { StoredStatistics } from '../store/executor-statistics.ts';
import { RESOLUTIONS } from '../store/resolutions.ts';
import { added, afterBoth, type Counters, countedBefore, countedSince, countedSinceRow } from './counters.ts';
import type { Sample } from './fold.ts';

/** Stands for all integrations together. */
export const ALL = '00000000-0000-0000-0000-000000000000';
/** How long the time is that a report's figures are added to, in milliseconds. */
export const FINEST = RESOLUTIONS[0].width * 1000;

/** What is added to one row of the history. */
export interface Addition {
  readonly integrationId: string;
  /** When its time begins, in milliseconds. */
  readonly start: number;
  readonly counters: Counters;
  /** What was told last. Unset: nothing is told of it here. */
  readonly last?: { readonly time: Date; readonly lag: number; readonly oldestAgeMs: number };
}

/** Of figures that were stored, what each report of them counted since the one before it; those that were stored before are left out. */
function countedBy(
  { row, before }: StoredStatistics,
  end: number,
): (readonly [sample: Sample, counters: Counters])[] {
  const isNew = ({ offset, time }: Sample) =>
    !before || before.offset < offset || (before.offset >= end && before.time < time.getTime());
  const samples = row.samples.filter(isNew);
  let previous = before && countedBefore(before);
  return samples.map((sample) => {
    const { counted } = sample;
    const counters = previous
      ? countedSince(previous, counted)
      : countedSinceRow(before, counted, row.nodeStartTime);
    previous = previous ? afterBoth(previous, counted) : counted;
    return [sample, counters];
  });
}

/**
 * What the reports add to the history: to the minutes of their integrations, and of all together.
 * @param end one after the last offset of their partition when they were read
 */
export function additionsOf(stored: readonly StoredStatistics[], end: number): Addition[] {
  const sums = new Map<
    string,
    { id: string; start: number; counters: Counters; samples: Map<number, Sample> }
  >();
  const add = (id: string, shard: number, sample: Sample, counters: Counters) => {
    const start = Math.floor(sample.time.getTime() / FINEST) * FINEST;
    const sum = sums.get(`${id}/${start}`) ?? { id, start, counters: [], samples: new Map() };
    sum.counters = added(sum.counters, counters);
    const last = sum.samples.get(shard);
    if (!last || last.time <= sample.time) sum.samples.set(shard, sample);
    sums.set(`${id}/${start}`, sum);
  };
  for (const one of stored) {
    for (const [sample, counters] of countedBy(one, end)) {
      add(one.row.integrationId, one.row.shard, sample, counters);
      if (counters.length > 0) add(ALL, 0, sample, counters);
    }
  }
  return [...sums.values()]
    .map(({ id, start, counters, samples }) => ({
      integrationId: id,
      start,
      counters,
      ...(id !== ALL && { last: lastOf([...samples.values()]) }),
    }))
    .toSorted((a, b) =>
      a.integrationId < b.integrationId ? -1 : a.integrationId > b.integrationId ? 1 : a.start - b.start,
    );
}

/** Of the shards of one integration. */
const lastOf = (samples: readonly Sample[]) => ({
  time: new Date(Math.max(...samples.map(({ time }) => time.getTime()))),
  lag: samples.reduce((sum, { lag }) => sum + lag, 0),
  oldestAgeMs: Math.max(...samples.map(({ oldestAgeMs }) => oldestAgeMs ?? 0)),
});
