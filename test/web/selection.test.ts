import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  IntegrationSchema,
  IntegrationState,
  IntegrationType,
} from '../../gen/penstock/v1/integration_pb.ts';
import {
  countsOf,
  isSelected,
  kept,
  selectionOf,
  sorted,
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
  sorted(
    ALL.filter((one) => isSelected(one, selection)),
    selection,
  );
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
    'state=FAILED': 'cabd',
    'state=unspecified': 'cabd',
    'type=kafka': 'd',
    'type=kafka&state=active': '',
  };
  for (const [query, list] of Object.entries(lists)) assert.equal(names(query), list, query);
});

test('each state is counted', () => {
  assert.deepEqual(
    [...countsOf(ALL)].toSorted(([a], [b]) => a - b),
    [
      [IntegrationState.DISABLED, 1],
      [IntegrationState.ACTIVE, 2],
      [IntegrationState.FAILED, 1],
    ],
  );
});

test('rows that somebody is at stay where they are', () => {
  const [b, a, d, c] = ALL;
  const shown = ['id-b', 'id-gone', 'id-a'];
  assert.deepEqual(kept(shown, [c!, a!, b!, d!]), [b, a, c, d]);
});
