import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  IntegrationSchema,
  IntegrationState,
  IntegrationType,
} from '../../gen/penstock/v1/integration_pb.ts';
import { pickedBy, pickedOf } from '../../web/src/pages/integrations/picks.ts';
import {
  countsOf,
  isInOrder,
  isSelected,
  kept,
  orderOf,
  selectionOf,
} from '../../web/src/pages/integrations/selection.ts';

const one = (name: string, init: MessageInitShape<typeof IntegrationSchema> = {}) =>
  create(IntegrationSchema, { id: `id-${name}`, name, ...init });

const ALL = [
  one('b', { status: { state: IntegrationState.ACTIVE, lag: 5n }, topicFilters: ['sensors/#'] }),
  one('a', {
    status: { state: IntegrationState.ACTIVE },
    topicFilters: ['a/+/c'],
    labels: { site: 'berlin' },
  }),
  one('d', { status: { state: IntegrationState.DISABLED }, type: IntegrationType.KAFKA }),
  one('c', { status: { state: IntegrationState.FAILED, lag: 9n }, description: 'To the ERP' }),
];

const listed = (selection: ReturnType<typeof selectionOf>) =>
  ALL.filter((one) => isSelected(one, selection)).toSorted(orderOf(selection));
const names = (query: string) =>
  listed(selectionOf(new URLSearchParams(query)))
    .map(({ name }) => name)
    .join('');

test('the list has what its URL says, in the order that it says', () => {
  const lists = {
    '': 'cabd', // what needs somebody comes first
    'sort=-state': 'dabc',
    'sort=name': 'abcd',
    'sort=-name': 'dcba',
    'sort=-lag': 'cbad',
    'sort=nothing': 'cabd',
    'q=ERP': 'c',
    'q=site=berlin': 'a',
    'q=sensors': 'b',
    'q=id-d': 'd',
    'q=no': '',
    'takes=a/b/c': 'a',
    'takes=sensors': 'b',
    'state=failed': 'c',
    'state=active': 'ab',
    'state=failing': '',
    'state=FAILED': 'cabd',
    'state=unknown': 'cabd',
    'state=unspecified': 'cabd',
    'type=kafka': 'd',
    'type=kafka&state=active': '',
  };
  for (const [query, list] of Object.entries(lists)) assert.equal(names(query), list, query);
});

test('each state is counted', () => {
  assert.deepEqual(
    [...countsOf(ALL)],
    [
      ['active', 2],
      ['disabled', 1],
      ['failed', 1],
    ],
  );
});

test('rows that somebody is at stay where they are', () => {
  const [b, a, d, c] = ALL;
  const shown = ['id-b', 'id-gone', 'id-a'];
  assert.deepEqual(kept(shown, [c!, a!, b!, d!]), [b, a, c, d]);
});

test('whether rows are in an order is told without sorting them', () => {
  const byName = orderOf(selectionOf(new URLSearchParams('sort=name')));
  assert.equal(isInOrder(ALL.toSorted(byName), byName), true);
  assert.equal(isInOrder(ALL, byName), false);
});

test('a click selects, one more does not; with Shift everything from the click before', () => {
  const ids = ['a', 'b', 'c', 'd', 'e'];
  const picked = (before: string[], id: string, from?: string) =>
    [...pickedBy(new Set(before), ids, id, from)].toSorted().join('');
  assert.equal(picked([], 'b'), 'b');
  assert.equal(picked(['b', 'c'], 'b'), 'c');
  assert.equal(picked(['b'], 'd', 'b'), 'bcd');
  assert.equal(picked(['d'], 'b', 'd'), 'bcd');
  assert.equal(
    picked(['b', 'c', 'd'], 'd', 'b'),
    '',
    'the range becomes what the one that was clicked becomes',
  );
  assert.equal(picked(['b'], 'd', 'gone'), 'bd');
});

test('what is done is done only with what is listed and selected', () => {
  const [b, a, , c] = ALL;
  assert.deepEqual(pickedOf([a!, b!, c!], new Set(['id-b', 'id-d', 'id-c'])), [b, c]);
});
