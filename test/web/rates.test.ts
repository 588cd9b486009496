import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { IntegrationSchema, IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import { IntegrationFiguresSchema } from '../../gen/penstock/v1/statistics_service_pb.ts';
import { areOld, idsToAsk, isFailing, noted, rateOf } from '../../web/src/live/rates.ts';
import { selectionOf, sorted } from '../../web/src/pages/integrations/selection.ts';

const T = 1_700_000_000_000;
const interval = durationFromMs(10_000);
const figures = (integrationId: string, init: MessageInitShape<typeof IntegrationFiguresSchema> = {}) =>
  create(IntegrationFiguresSchema, { interval, ...init, integrationId });

test('an integration is failing for a minute after an attempt failed, and no longer', () => {
  const failed = noted(new Map(), [figures('a', { failedRate: 0.1, time: timestampFromMs(T - 3000) })], T);
  assert.equal(isFailing(failed.get('a')), true);
  assert.equal(rateOf(failed.get('a'), 'failures'), 6);
  const well = (time: number) => noted(failed, [figures('a')], time).get('a');
  assert.equal(isFailing(well(T + 56_000)), true);
  assert.equal(isFailing(well(T + 57_000)), false);
  assert.equal(isFailing(noted(new Map(), [figures('a')], T).get('a')), false);
  assert.equal(isFailing(undefined), false);
});

test('figures are old after two of their intervals, and forgotten when nobody asks for them', () => {
  const known = noted(new Map(), [figures('a'), figures('b', { interval: durationFromMs(60_000) })], T);
  const old = (time: number) => ['a', 'b'].map((id) => areOld(known.get(id)!, time));
  assert.deepEqual(old(T + 20_000), [false, false]);
  assert.deepEqual(old(T + 20_001), [true, false]);
  assert.deepEqual(old(T + 120_001), [true, true]);
  assert.deepEqual([...noted(known, [figures('b')], T + 299_999).keys()], ['a', 'b']);
  assert.deepEqual([...noted(known, [figures('b')], T + 300_000).keys()], ['b']);
});

test('where no executor tells figures there is no rate, and where it is idle the rate is zero', () => {
  const [silent] = noted(new Map(), [figures('a', { interval: undefined, receivedRate: 5 })], T).values();
  assert.equal(rateOf(silent, 'in'), undefined);
  const [idle] = noted(new Map(), [figures('a')], T).values();
  assert.equal(rateOf(idle, 'out'), 0);
});

test('figures are asked for of all, of those that are listed, or of those in view, a thousand at the most', () => {
  const ids = Array.from({ length: 3000 }, (_, i) => String(9999 - i));
  const view = { first: 120, end: 170 };
  assert.deepEqual(idsToAsk(1000, ids.slice(0, 20), view), []);
  assert.deepEqual(idsToAsk(3000, ids.slice(0, 1000), view), ids.slice(0, 1000).toSorted());
  assert.deepEqual(idsToAsk(3000, ids, view), ids.slice(100, 200).toSorted());
  // A little further there is nothing else to ask for.
  assert.deepEqual(idsToAsk(3000, ids, { first: 149, end: 199 }), ids.slice(100, 200).toSorted());
  assert.equal(idsToAsk(3000, ids, { first: 0, end: 0 }).length, 50);
});

test('the list is sorted by its rates, and what fails comes before what is well', () => {
  const status = { state: IntegrationState.ACTIVE };
  const all = ['a', 'b', 'c', 'd'].map((id) => create(IntegrationSchema, { id, name: id, status }));
  const rates = noted(
    new Map(),
    [figures('a', { deliveredRate: 2, receivedRate: 1 }), figures('b'), figures('c', { failedRate: 1 })],
    T,
  );
  const order = (sort: string) =>
    sorted(all, selectionOf(new URLSearchParams({ sort })), rates)
      .map(({ id }) => id)
      .join('');
  assert.equal(order('-out'), 'abcd');
  assert.equal(order('in'), 'dbca');
  assert.equal(order('-failures'), 'cabd');
  assert.equal(order('state'), 'cabd');
});
