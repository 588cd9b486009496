import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { StatisticsSeriesSchema } from '../../gen/penstock/v1/statistics_service_pb.ts';
import { sparkOf, totalsOf } from '../../web/src/pages/integrations/spark.ts';

const T = 1_700_000_040; // begins a minute

const series = (minutes: readonly number[], received: readonly bigint[], lag: readonly bigint[] = []) =>
  create(StatisticsSeriesSchema, {
    bucket: durationFromMs(60_000),
    startSeconds: minutes.map((minute) => BigInt(T + minute * 60)),
    received: [...received],
    delivered: received.map((count) => count / 2n),
    lag: [...lag],
  });

test('a sparkline goes from zero to the most, is broken in a gap, and a dot where one bucket is alone', () => {
  const known = series([0, 1, 3], [60n, 0n, 120n]);
  assert.deepEqual(sparkOf(known, T, T + 240), { path: 'M1.0 9.0h0L27.0 17.0M79.0 1.0h0', most: 2 });
  assert.deepEqual(sparkOf(series([0, 1], [0n, 0n]), T, T + 120), { path: 'M1.0 17.0h0L79.0 17.0', most: 0 });
  assert.deepEqual(sparkOf(series([], []), T, T + 240), { path: '', most: undefined });
});

test('what all do together is of the last whole minute, and is not known in a gap', () => {
  const known = series([0, 1, 2], [60n, 120n, 7n], [1n, 2n, 3n]);
  assert.deepEqual(totalsOf(known, T, T + 130), { received: 2, delivered: 1, lag: 3n });
  assert.deepEqual(totalsOf(series([0, 1], [60n, 120n], [1n, -1n]), T, T + 120), {
    received: 2,
    delivered: 1,
    lag: undefined,
  });
  assert.equal(totalsOf(series([0], [60n], [1n]), T, T + 130), undefined);
});
