import { FailureClass, type StatisticsSeries } from '../../../../src/client/contract.ts';
import { latencyQuantile } from '../../../../src/runtime/latency.ts';
import { failureName } from '../../ui/names.ts';
import { numberText, secondsText } from '../../ui/numbers.ts';
import { type Grid, lengthOf } from './grid.ts';

/** A line of a chart. */
export interface Line {
  readonly name: string;
  /** For each bucket of the grid; null: there is none. */
  readonly values: readonly (number | null)[];
}

export interface ChartOf {
  readonly title: string;
  /** What a value is: `a second`; empty: the text of a value says it. */
  readonly unit: string;
  readonly isLog: boolean;
  readonly text: (value: number) => string;
  readonly lines: readonly Line[];
}

/** The charts of a series, each with a value at each place of the grid. @param bounds those of its latencies, in seconds */
export function chartsOf(series: StatisticsSeries, bounds: readonly number[], grid: Grid): ChartOf[] {
  const line = (name: string, valueAt: (place: number, length: number) => number | undefined): Line => ({
    name,
    values: grid.places.map((place, i) =>
      place === undefined ? null : (valueAt(place, lengthOf(grid, i)) ?? null),
    ),
  });
  const rate = (name: string, counts: readonly bigint[], seconds = 1) =>
    line(name, (place, length) => (Number(counts[place] ?? 0n) * seconds) / length);
  const latencies = series.latency.map(({ counts }) => counts.map(Number));
  const quantile = (name: string, share: number) =>
    line(name, (place) => latencyQuantile(latencies[place] ?? [], share, bounds));
  const failures = series.failures
    .toSorted((a, b) => a.failureClass - b.failureClass)
    .map(({ failureClass, counts }) => rate(classText(failureClass), counts, 60));
  return [
    {
      ...{ title: 'Messages', unit: 'a second', isLog: false, text: numberText },
      lines: [
        rate('received', series.received),
        rate('delivered', series.delivered),
        rate('dead-lettered', series.deadLettered),
        rate('skipped', series.skipped),
      ],
    },
    {
      ...{ title: 'Latency', unit: '', isLog: true, text: secondsText },
      lines: [quantile('p50', 0.5), quantile('p95', 0.95), quantile('p99', 0.99)],
    },
    {
      ...{ title: 'Waiting', unit: 'messages', isLog: false, text: numberText },
      lines: [line('waiting', (place) => known(series.lag[place]))],
    },
    {
      ...{ title: 'Age of the oldest', unit: '', isLog: false, text: secondsText },
      lines: [line('oldest', (place) => Number(series.oldestAgeMs[place] ?? 0n) / 1000)],
    },
    {
      ...{ title: 'Failed attempts', unit: 'a minute', isLog: false, text: numberText },
      lines: failures.length > 0 ? failures : [rate('any', [])],
    },
  ];
}

const known = (lag: bigint | undefined) => (lag === undefined || lag < 0n ? undefined : Number(lag));

const classText = (failureClass: FailureClass) =>
  failureClass === FailureClass.UNSPECIFIED ? 'not known' : failureName(failureClass);

/** What stands beside a line. Null: there is none. */
export interface Extremes {
  /** Of the newest bucket. */
  readonly now: number | null;
  readonly min: number | null;
  readonly max: number | null;
}

export function extremesOf({ values }: Line): Extremes {
  const known = values.filter((value) => value !== null);
  const [min, max] = known.length > 0 ? [Math.min(...known), Math.max(...known)] : [null, null];
  return { now: values.at(-1) ?? null, min, max };
}

/** How lines are told from each other without their colours too. */
const DASHES: readonly (readonly number[])[] = [[], [8, 4], [2, 3], [10, 3, 2, 3], [14, 5]];

/** The look of a chart's line: the number of its colour, and its dashes in pixels. No two of the first 25 are alike. */
export function lookOf(line: number): { readonly colour: number; readonly dash: readonly number[] } {
  const colour = line % DASHES.length;
  const shift = Math.floor(line / DASHES.length);
  return { colour, dash: DASHES[(colour + shift) % DASHES.length]! };
}

/** The bounds of a logarithmic scale: whole powers of ten about its values. Null: there are none. */
export function powersAbout(min: number | null, max: number | null): [number, number] {
  if (min === null || max === null || min <= 0) return [0.001, 1];
  const low = 10 ** Math.floor(Math.log10(min));
  const high = 10 ** Math.ceil(Math.log10(max));
  return [low, high > low ? high : low * 10];
}
