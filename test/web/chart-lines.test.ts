import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { StatisticsSeriesSchema } from '../../gen/penstock/v1/statistics_service_pb.ts';
import { LATENCY_BOUNDS } from '../../src/runtime/latency.ts';
import { chartsOf, extremesOf, lookOf, powersAbout } from '../../web/src/pages/charts/chart-lines.ts';
import { gridOf, isOpen, lengthOf, rowsOf } from '../../web/src/pages/charts/grid.ts';
import { RANGE_NAMES, RANGES, rangeOf, startOf } from '../../web/src/pages/charts/ranges.ts';
import { numberText, secondsText } from '../../web/src/ui/numbers.ts';

const T = 1_700_000_040; // begins a minute
const MINUTE = 60;

/** Minutes 1, 2, 5 and 6 after T; in the last of them it is now. */
const SERIES = create(StatisticsSeriesSchema, {
  bucket: durationFromMs(60_000),
  startSeconds: [1, 2, 5, 6].map((minute) => BigInt(T + minute * MINUTE)),
  received: [120n, 0n, 30n, 10n],
  delivered: [60n, 0n, 0n, 0n],
  deadLettered: [0n, 0n, 6n, 0n],
  skipped: [0n, 0n, 0n, 0n],
  lag: [-1n, 0n, 24n, 12_345n],
  oldestAgeMs: [0n, 0n, 1500n, 90_000n],
  latency: [{ counts: [0n, 0n, 0n, 60n] }, {}, { counts: [1n, 1n] }, {}],
  failures: [
    { failureClass: FailureClass.TIMEOUT, counts: [0n, 0n, 3n, 10n] },
    { failureClass: FailureClass.UNAVAILABLE, counts: [2n, 0n, 0n, 0n] },
  ],
});
const NOW = T + 6 * MINUTE + 20;
const grid = gridOf(SERIES, T + 30, NOW);
const charts = chartsOf(SERIES, LATENCY_BOUNDS, grid);
const valuesOf = (title: string) => {
  const { lines } = charts.find((one) => one.title === title)!;
  return Object.fromEntries(lines.map(({ name, values }) => [name, values]));
};

test('all buckets of a time are there, those without figures as gaps', () => {
  assert.deepEqual(
    grid.times,
    [0, 1, 2, 3, 4, 5, 6].map((minute) => T + minute * MINUTE),
  );
  assert.deepEqual(grid.places, [undefined, 0, 1, undefined, undefined, 2, 3]);
  const rows = rowsOf(grid).map(({ from, until, index }) => [(from - T) / 60, (until - T) / 60, index]);
  assert.deepEqual(rows, [
    [6, 7, 6],
    [5, 6, 5],
    [3, 5, undefined],
    [2, 3, 2],
    [1, 2, 1],
    [0, 1, undefined],
  ]);
});

test('a bucket that has just begun is no gap before anybody can have told of it', () => {
  const last = (now: number) => (gridOf(SERIES, T, now).times.at(-1)! - T) / MINUTE;
  assert.equal(last(T + 7 * MINUTE + 9), 6);
  assert.equal(last(T + 7 * MINUTE + 10), 7);
});

test('a bucket whose clock is ahead of ours is shown, and a time without figures is one gap', () => {
  const ahead = gridOf(SERIES, T + 70, T + 5 * MINUTE);
  assert.deepEqual(ahead.places, [0, 1, undefined, undefined, 2, 3]);
  const none = gridOf(create(StatisticsSeriesSchema, { bucket: durationFromMs(60_000) }), T, T + 180);
  assert.deepEqual(
    rowsOf(none).map(({ from, until }) => [from, until]),
    [[T, T + 180]],
  );
});

test('a rate is a count over its bucket, zero when idle, none in a gap; the last over what of its bucket has been', () => {
  const { received, delivered, skipped, ...more } = valuesOf('Messages');
  assert.deepEqual(received, [null, 2, 0, null, null, 0.5, 0.5]);
  assert.deepEqual(delivered, [null, 1, 0, null, null, 0, 0]);
  assert.deepEqual(skipped, [null, 0, 0, null, null, 0, 0]);
  assert.deepEqual(more['dead-lettered'], [null, 0, 0, null, null, 0.1, 0]);
  assert.deepEqual([isOpen(grid, 5), isOpen(grid, 6)], [false, true]);
  // What is told in the first seconds of a bucket is of ten seconds.
  assert.equal(lengthOf({ ...grid, now: T + 6 * MINUTE + 1 }, 6), 10);
});

test('percentiles are those of docs/figures.md, and none where nothing was delivered', () => {
  const { p50, p95, p99 } = valuesOf('Latency');
  const near = (values: readonly (number | null)[], ms: readonly (number | null)[]) =>
    assert.deepEqual(
      values.map((value) => value && Math.round(value * 1e9) / 1e6),
      ms,
    );
  near(p50!, [null, 7.5, null, null, null, 1, null]);
  near(p95!, [null, 9.75, null, null, null, 2.35, null]);
  near(p99!, [null, 9.95, null, null, null, 2.47, null]);
  const wide = chartsOf(SERIES, [1, 2, 3, 4, 5], grid)[1]!.lines[0]!;
  assert.equal(wide.values[1], 3.5, 'by the bounds of the answer');
});

test('what waits is not known where it is -1, ages are seconds, failures are by class and minute', () => {
  assert.deepEqual(valuesOf('Waiting'), { waiting: [null, null, 0, null, null, 24, 12_345] });
  assert.deepEqual(valuesOf('Age of the oldest'), { oldest: [null, 0, 0, null, null, 1.5, 90] });
  assert.deepEqual(Object.entries(valuesOf('Failed attempts')), [
    ['unavailable', [null, 2, 0, null, null, 0, 0]],
    ['timeout', [null, 0, 0, null, null, 3, 30]],
  ]);
  const well = create(StatisticsSeriesSchema, { ...SERIES, failures: [] });
  const [line] = chartsOf(well, LATENCY_BOUNDS, grid)[4]!.lines;
  assert.deepEqual(line, { name: 'any', values: [null, 0, 0, null, null, 0, 0] });
});

test('beside a line stands what it is now, at the least and at the most', () => {
  const line = (values: (number | null)[]) => extremesOf({ name: 'x', values });
  assert.deepEqual(line([null, 3, 0, 7, 2]), { now: 2, min: 0, max: 7 });
  assert.deepEqual(line([3, null]), { now: null, min: 3, max: 3 });
  assert.deepEqual(line([]), { now: null, min: null, max: null });
});

test('no two lines of a chart look alike, with or without their colours', () => {
  const looks = Array.from({ length: 9 }, (_, i) => lookOf(i));
  assert.equal(new Set(looks.map((look) => JSON.stringify(look))).size, 9);
  assert.equal(new Set(looks.slice(0, 5).map(({ dash }) => String(dash))).size, 5);
});

test('a logarithmic scale goes from one power of ten to another', () => {
  assert.deepEqual(powersAbout(0.0075, 0.3), [0.001, 1]);
  assert.deepEqual(powersAbout(1, 1), [1, 10]);
  assert.deepEqual(powersAbout(null, null), [0.001, 1]);
});

test('a range is the one in the URL, and begins a minute late so that its buckets stay fine', () => {
  assert.deepEqual(['7d', '15m', 'x', null].map(rangeOf), ['7d', '15m', '1h', '1h']);
  for (const range of RANGE_NAMES)
    assert.equal(startOf(range, T * 1000 + 999), T - RANGES[range].seconds + MINUTE);
});

test('numbers are short, and whole ones are told in full', () => {
  assert.deepEqual([0, 0.123456, 12.345, 12_345, 1234.5].map(numberText), [
    '0',
    '0.123',
    '12.3',
    '12,345',
    '1,235',
  ]);
  assert.deepEqual([0, 0.00034, 0.012, 1.5, 150, 10_800].map(secondsText), [
    '0 s',
    '340 µs',
    '12 ms',
    '1.5 s',
    '2.5 min',
    '3 h',
  ]);
});
