import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { NodeRole } from '../../gen/penstock/v1/cluster_service_pb.ts';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import type { IntegrationType } from '../../gen/penstock/v1/integration_pb.ts';
import { StatisticsReportSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import { type SeriesOf, seriesOf } from '../../src/control-plane/figures/series.ts';
import { windowOf } from '../../src/control-plane/figures/window.ts';
import { ALL, additionsOf } from '../../src/control-plane/status/additions.ts';
import {
  afterBoth,
  type Counted,
  countedIn,
  countedSince,
  countedSinceRow,
  failuresOf,
  KNOWN_COUNTERS,
  latencyOf,
} from '../../src/control-plane/status/counters.ts';
import { foldReports } from '../../src/control-plane/status/fold.ts';
import { heardIn } from '../../src/control-plane/status/heard.ts';
import { LATENCY_BOUNDS, latencyBucket, latencyQuantile } from '../../src/runtime/latency.ts';
import { encodedReport, report } from '../helpers/reports.ts';

const [MINUTE, HOUR, DAY] = [60, 3600, 86_400];
const NOW = 1_800_000_123;
const KEPT = 30 * DAY;
const ID = '2c8a0b51-8a67-4f0e-8f9a-0d6a3c1f2b10';

test('a window has no more buckets than are wanted, and each has whole rows of what is stored', () => {
  const ages = fc.integer({ min: 1, max: KEPT });
  fc.assert(
    fc.property(ages, ages, fc.integer({ min: 0, max: 1000 }), (a, b, maxBuckets) => {
      fc.pre(a !== b);
      const [start, end] = [NOW - Math.max(a, b), NOW - Math.min(a, b)];
      const window = windowOf({ start, end, maxBuckets }, NOW, KEPT);
      const { width } = window;
      assert.ok(window.start <= start && end <= window.end);
      assert.ok(start - window.start < width && window.end - end < width);
      assert.ok(window.start % width === 0 && window.end % width === 0);
      assert.ok((window.end - window.start) / width <= (maxBuckets || 300));
      const age = NOW - start;
      const unit = age <= 6 * HOUR ? MINUTE : age <= 7 * DAY ? 10 * MINUTE : HOUR;
      assert.equal(width % unit, 0);
    }),
  );
});

test('a window is the last hour unless it is told, and ends now at the latest', () => {
  const asked = { start: undefined, end: undefined, maxBuckets: 0 };
  const [start, end] = [Math.floor((NOW - HOUR) / MINUTE) * MINUTE, Math.ceil(NOW / MINUTE) * MINUTE];
  assert.deepEqual(windowOf(asked, NOW, KEPT), { start, end, width: MINUTE });
  const late = windowOf({ ...asked, start: NOW - HOUR, end: NOW + DAY }, NOW, KEPT);
  assert.deepEqual(late, { start, end, width: MINUTE });
  const early = windowOf({ ...asked, start: 0 }, NOW, KEPT);
  assert.ok(early.start > NOW - KEPT - early.width);
  for (const wrong of [
    { start: NOW - 5, end: NOW - 5 },
    { start: NOW + 5, end: NOW + 50 },
  ])
    assert.throws(() => windowOf({ ...wrong, maxBuckets: 0 }, NOW, KEPT), /start_time: must be before/);
});

test('latencies are counted by the bounds of /metrics, and a quantile lies within its bucket', () => {
  for (const [i, bound] of LATENCY_BOUNDS.entries()) {
    assert.equal(latencyBucket(bound), i);
    assert.equal(latencyBucket(bound * 1.0001), i + 1);
  }
  assert.equal(latencyBucket(0), 0);
  assert.equal(latencyQuantile([], 0.5), undefined);
  assert.equal(latencyQuantile([0, 0], 0.5), undefined);
  // 100 up to 1 ms, 100 up to 2.5 ms: half of them took 1 ms at most, 3 in 4 half way between.
  assert.equal(latencyQuantile([100, 100], 0.5), 0.001);
  assert.equal(latencyQuantile([100, 100], 0.75), 0.00175);
  assert.equal(latencyQuantile([0, 0, 0, 4], 0.95), 0.005 + 0.95 * 0.005);
  assert.equal(latencyQuantile([...new Array(17).fill(0), 3], 0.5), 3600);
});

type Init = MessageInitShape<typeof StatisticsReportSchema>;
const counted = (init: Init, node = 1): Counted =>
  countedIn(create(StatisticsReportSchema, init), timestampFromMs(node));
const run = (init: Init, start = 1000): Init => ({ ...init, startTime: timestampFromMs(start) });

test('a report counts what is taken, also what was let go, deliveries by latency and failures by class', () => {
  const { counters } = counted({
    received: 7n,
    released: 3n,
    delivered: 5n,
    latencyCounts: [1n, 0n, 4n],
    failures: [
      { failureClass: FailureClass.TIMEOUT, count: 6n },
      { failureClass: 1000 as FailureClass, count: 2n },
    ],
  });
  assert.deepEqual(counters.slice(0, 7), [10, 5, 0, 0, 3, 0, 0]);
  assert.deepEqual(latencyOf(counters).slice(0, 4), [1, 0, 4, 0]);
  assert.deepEqual(failuresOf(counters), [2, 0, 0, 6]);
  assert.deepEqual(counted({}).counters, []);
  assert.ok(counted({ delivered: 2n ** 64n - 1n }).counters[1]! < Number.MAX_SAFE_INTEGER);
});

test('what was counted since is the difference, or all of another counting', () => {
  const delivered = (before: Counted, now: Counted) => countedSince(before, now)[1] ?? 0;
  const five = run({ delivered: 5n });
  assert.equal(delivered(counted(five), counted(run({ delivered: 8n }))), 3);
  assert.equal(delivered(counted(five), counted(run({ delivered: 8n }, 1001))), 8, 'begun anew');
  assert.equal(delivered(counted(five), counted(run({ delivered: 8n }), 2)), 8, 'another run of the node');
  assert.equal(delivered(counted(five), counted(run({ delivered: 4n }))), 0, 'late');
  // Of an older version, which does not tell when it began.
  assert.equal(delivered(counted({ delivered: 5n }), counted({ delivered: 8n })), 3);
  assert.equal(delivered(counted({ delivered: 5n }), counted({ delivered: 4n })), 4);
  const letGo = countedSince(
    counted({ received: 9n, delivered: 5n }),
    counted({ received: 6n, delivered: 6n }),
  );
  assert.deepEqual(letGo, [0, 1], 'what it let go is no new beginning');
  const late = afterBoth(counted(run({ delivered: 5n })), counted(run({ delivered: 4n })));
  assert.equal(delivered(late, counted(run({ delivered: 8n }))), 3);
});

test('of a row of an older version, what its executor had counted until now is not of this minute', () => {
  const old = { run: null, counters: null, nodeStart: new Date(1).toISOString() };
  const now = counted(run({ delivered: 1000n }));
  assert.deepEqual(countedSinceRow(old, now, new Date(1)), []);
  assert.deepEqual(countedSinceRow(old, now, new Date(2)), now.counters);
  assert.deepEqual(countedSinceRow({ ...old, nodeStart: null }, now, undefined), []);
  assert.deepEqual(countedSinceRow(undefined, now, undefined), now.counters);
});

/** A report of an executor at this second. */
const said = (second: number, value: Init, serviceId = 'e1', shard = 0) =>
  report(ID, {
    serviceId,
    shard,
    time: timestampFromMs(second * 1000),
    report: { case: 'statistics', value },
  });

function additions(records: readonly ReturnType<typeof report>[], before?: object) {
  const reports = records.map((record, offset) => ({ record, offset, bytes: encodedReport(record) }));
  const { statistics } = foldReports(reports, NOW * 1000);
  const stored = statistics.map((row) => ({ row, before: before as undefined, isKept: true }));
  return additionsOf(stored, records.length).map(({ integrationId, start, counters, last }) => [
    integrationId === ALL ? 'all' : 'one',
    start / 60_000,
    counters[1] ?? 0,
    ...(last ? [last.lag, last.oldestAgeMs] : []),
  ]);
}

test('reports that are stored together count each for its own minute, also over another counting', () => {
  const records = [
    said(60, run({ delivered: 10n, lag: 4n })),
    said(70, run({ delivered: 12n, lag: 3n, oldestAge: { seconds: 2n } })),
    said(130, run({ delivered: 20n })),
    said(140, run({ delivered: 1n }, 2000)),
    said(61, run({ delivered: 100n, lag: 7n }), 'e2', 1),
  ];
  assert.deepEqual(additions(records), [
    ['all', 1, 112],
    ['all', 2, 9],
    ['one', 1, 112, 10, 2000],
    ['one', 2, 9, 0, 0],
  ]);
  // The first two were stored before.
  const { run: name, counters } = counted(run({ delivered: 12n }));
  const before = { run: name, counters, nodeStart: null, offset: 1, time: 70_000 };
  const withoutNode = records.slice(0, 4).map((record) => ({ ...record, nodeStartTime: timestampFromMs(1) }));
  assert.deepEqual(additions(withoutNode, before), [
    ['all', 2, 9],
    ['one', 2, 9, 0, 0],
  ]);
});

test('an executor is heard from its first report to its last before a silence of more than 10 s', () => {
  const node = (
    second: number,
    roles: NodeRole[] = [NodeRole.EXECUTOR],
    types: readonly IntegrationType[] = [2, 1],
  ) =>
    report('', {
      time: timestampFromMs(second * 1000),
      report: { case: 'node', value: { roles, types: [...types], startTime: timestampFromMs(0) } },
    });
  const records = [
    ...[node(10), node(20), node(19), node(31), node(33, [NodeRole.INGRESS])],
    ...[node(40), node(44, undefined, [1]), node(NOW + 5)],
  ];
  const heard = heardIn(records, NOW * 1000).map(({ since, until, types }) => [
    since.getTime() / 1000,
    until.getTime() / 1000,
    ...types,
  ]);
  assert.deepEqual(heard, [
    [10, 20, 1, 2],
    [31, 40, 1, 2],
    [44, 44, 1],
    [NOW, NOW, 1, 2],
  ]);
});

test('a bucket without a row is zero while an executor was heard, and a gap otherwise', () => {
  const row = (start: number, delivered: bigint, lag?: bigint) => ({
    integrationId: ID,
    start,
    counters: Array.from({ length: KNOWN_COUNTERS }, (_, i) => (i === 1 ? delivered : 0n)),
    lag,
    oldestAgeMs: 9,
  });
  const of: SeriesOf = {
    integrationId: ID,
    createTime: 130,
    lagBefore: 5n,
    heard: [
      { since: 0, until: 250 },
      { since: 390, until: 1000 },
    ],
  };
  const window = { start: 60, end: 600, width: 60 };
  const { startSeconds, delivered, lag, oldestAgeMs, latency, failures } = seriesOf(
    of,
    [row(180, 3n, 2n), row(300, 4n), row(540, 5n, 1n)],
    window,
  );
  assert.deepEqual(startSeconds, [120n, 180n, 240n, 300n, 360n, 420n, 480n, 540n]);
  assert.deepEqual(delivered, [0n, 3n, 0n, 4n, 0n, 0n, 0n, 5n]);
  assert.deepEqual(lag, [-1n, 2n, 2n, 2n, 2n, 2n, 2n, 1n], 'not of before it was created');
  assert.deepEqual(oldestAgeMs, [0n, 9n, 0n, 9n, 0n, 0n, 0n, 9n]);
  assert.deepEqual(
    latency?.map(({ counts }) => counts),
    new Array(8).fill([]),
  );
  assert.deepEqual(failures, []);
  const gap = seriesOf({ ...of, createTime: 0 }, [row(60, 1n)], window);
  assert.deepEqual(gap.startSeconds, [60n, 120n, 180n, 240n, 360n, 420n, 480n, 540n]);
  assert.deepEqual(gap.lag, [5n, 5n, 5n, 5n, -1n, -1n, -1n, -1n]);
});
