import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { IntegrationSchema, IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import { IntegrationFiguresSchema } from '../../gen/penstock/v1/statistics_service_pb.ts';
import { ErrorReportSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import { healthOf } from '../../web/src/live/health.ts';
import {
  type AllRates,
  areOld,
  idsToAsk,
  isBehind,
  isFailing,
  noted,
  rateOf,
} from '../../web/src/live/rates.ts';
import { problemOf } from '../../web/src/pages/integrations/problem.ts';
import { isSelected, orderOf, selectionOf } from '../../web/src/pages/integrations/selection.ts';

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
    all
      .toSorted(orderOf(selectionOf(new URLSearchParams({ sort })), rates))
      .map(({ id }) => id)
      .join('');
  assert.equal(order('-out'), 'abcd');
  assert.equal(order('in'), 'dbca');
  assert.equal(order('-failures'), 'cabd');
  assert.equal(order('state'), 'cabd');
});

/** What is known after these counts of what waits were told, each `step` seconds after the one before. */
function waiting(counts: readonly (bigint | undefined)[], step = 10): AllRates {
  let known: AllRates = new Map();
  for (const [i, lag] of counts.entries())
    known = noted(known, [figures('a', lag === undefined ? {} : { lag })], T + i * step * 1000);
  return known;
}

test('an integration is behind when what waits has grown for a minute, as far as that was seen', () => {
  const behind = (counts: readonly (bigint | undefined)[], step?: number) =>
    isBehind(waiting(counts, step).get('a'));
  assert.equal(behind([1n, 2n, 3n, 4n, 5n, 6n, 7n]), true);
  assert.equal(behind([1n, 2n, 3n, 4n, 5n, 6n]), false, 'for 50 s only');
  assert.equal(behind([1n, 2n, 2n, 2n, 5n, 5n, 7n]), true);
  assert.equal(behind([1n, 2n, 3n, 2n, 5n, 6n, 7n]), false, 'it fell');
  assert.equal(behind([9n, 9n, 9n, 9n, 9n, 9n, 9n]), false);
  assert.equal(behind([1n, 9n, 9n, 9n, 9n, 9n, 9n]), false, 'it does not grow any more');
  assert.equal(behind([1n, 1n, 1n, 1n, 1n, 1n, 9n]), false, 'it has only begun to');
  assert.equal(
    behind([9n, 8n, 1n, 2n, 3n, 4n, 5n, 6n, 7n]),
    true,
    'what was before the minute does not count',
  );
  assert.equal(behind([1n, 2n, 3n, undefined, 4n, 5n, 6n, 7n]), false, 'it was not known');
  assert.equal(behind([1n, 2n, 3n, 4n], 30), true);
  assert.equal(behind([1n, 2n, 3n, 4n], 31), false, 'nobody looked in between');
  assert.equal(isBehind(undefined), false);
});

test('what an executor runs is active, failing or behind; what none runs is what its state says', () => {
  const rates = waiting([1n, 2n, 3n, 4n, 5n, 6n, 7n]).get('a');
  const failing = noted(new Map(), [figures('a', { failedRate: 1 })], T).get('a');
  const healths = (known: typeof rates) =>
    [IntegrationState.ACTIVE, IntegrationState.FAILED, IntegrationState.DISABLED].map((state) =>
      healthOf(create(IntegrationSchema, { status: { state } }), known),
    );
  assert.deepEqual(healths(undefined), ['active', 'failed', 'disabled']);
  assert.deepEqual(healths(rates), ['behind', 'failed', 'disabled']);
  assert.deepEqual(healths(failing), ['failing', 'failed', 'disabled']);
  const active = selectionOf(new URLSearchParams('state=active'));
  const one = create(IntegrationSchema, { status: { state: IntegrationState.ACTIVE } });
  assert.equal(isSelected(one, active, failing), true, 'one that is failing is active, too');
  assert.equal(isSelected(one, selectionOf(new URLSearchParams('state=failing')), failing), true);
  assert.equal(isSelected(one, selectionOf(new URLSearchParams('state=behind')), failing), false);
});

test('a row says why it is not well: its reason, what failed last, or how much more waits', () => {
  const error = create(ErrorReportSchema, { failureClass: FailureClass.TIMEOUT, message: 'no answer' });
  const one = (reason: string) =>
    create(IntegrationSchema, { status: { state: IntegrationState.ACTIVE, reason } });
  const grown = waiting([1n, 2n, 3n, 4n, 5n, 6n, 1007n]).get('a');
  assert.equal(problemOf(one('no executor'), 'pending', error, undefined), 'no executor');
  assert.equal(problemOf(one(''), 'failing', error, undefined), 'timeout: no answer');
  assert.equal(problemOf(one(''), 'active', error, grown), '');
  assert.equal(problemOf(one(''), 'failing', undefined, grown), '');
  assert.equal(problemOf(one(''), 'behind', error, grown), '1,006 more wait than a minute ago');
  const before = waiting([9n, 8n, 1n, 2n, 3n, 4n, 5n, 6n, 7n]).get('a');
  assert.equal(problemOf(one(''), 'behind', error, before), '6 more wait than a minute ago');
});
