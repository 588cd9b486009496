import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { ListIntegrationsRequestSchema } from '../../gen/penstock/v1/integration_service_pb.ts';
import { isSelected } from '../../src/control-plane/integrations/integration-filter.ts';
import { orderOf } from '../../src/control-plane/order-by.ts';
import {
  deadLetterPageStartOf,
  deadLetterToken,
  listOf,
  listStartOf,
  listToken,
  pageToken,
  positionOf,
} from '../../src/control-plane/page.ts';
import { OLDEST_FIRST, ORDERS } from '../../src/control-plane/store/integration-order.ts';

const ID = '2c8a0b51-8a67-4f0e-8f9a-0d6a3c1f2b10';
const tokenOf = (...parts: unknown[]) => Buffer.from(JSON.stringify(parts)).toString('base64url');
const orderBy = (text: string) => orderOf(text, ORDERS, OLDEST_FIRST);

test('a page token leads back to its position in its list, nothing else does', () => {
  const position = { time: new Date(1234), id: ID };
  assert.deepEqual(positionOf('list', pageToken('list', position)), position);
  assert.equal(positionOf('list', ''), undefined);
  for (const token of [
    'x',
    tokenOf(),
    tokenOf('list'),
    tokenOf('list', 1, 'x'),
    tokenOf('list', -1, ID),
    tokenOf('list', 8.64e15 + 1, ID),
    tokenOf('list', 'name', ID),
  ]) {
    assert.throws(() => positionOf('list', token), /page_token: is not the next_page_token/);
  }
  const other = pageToken('other', position);
  assert.throws(() => positionOf('list', other), /page_token: .*another filter or order_by/);
});

test('a token of a list by name has the name, whatever it is', () => {
  const order = orderBy('name desc');
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 255 }), fc.nat(), (text, listed) => {
      const start = { key: text.replaceAll('\0', ''), id: ID, listed };
      const token = listToken('list', start);
      assert.ok(token.length <= 4096, `${token.length}`);
      assert.deepEqual(listStartOf('list', token, order), start);
    }),
  );
  const timed = { key: new Date(7), id: ID, listed: 3 };
  assert.deepEqual(listStartOf('list', listToken('list', timed), OLDEST_FIRST), timed);
  assert.throws(() => listStartOf('list', tokenOf('list', 'a\0', ID, 1), order), /page_token/);
  assert.throws(() => listStartOf('list', tokenOf('list', 'a', ID, -1), order), /page_token/);
});

test('a token of a list of dead letters leads back, too', () => {
  const start = { partition: 3, offset: 7, listed: 50 };
  assert.deepEqual(deadLetterPageStartOf('list', deadLetterToken('list', start)), start);
  assert.throws(() => deadLetterPageStartOf('list', tokenOf('list', 1, 2)), /page_token/);
  assert.throws(() => deadLetterPageStartOf('other', deadLetterToken('list', start)), /another filter/);
});

test('a list is told apart by its filter and order, not by page size, token or the order of a map', () => {
  type Init = MessageInitShape<typeof ListIntegrationsRequestSchema>;
  const name = ({ orderBy: text = '', ...init }: Init) =>
    listOf(create(ListIntegrationsRequestSchema, { ...init, orderBy: text }), orderBy(text));
  const filter = { text: 'a', labels: { a: '1', b: '2' } };
  const same: Init[] = [
    { filter },
    { filter, pageSize: 7 },
    { filter, pageToken: 'x' },
    { filter, orderBy: 'create_time' },
    { filter, orderBy: ' create_time ' },
    { filter: { text: 'a', labels: { b: '2', a: '1' } } },
  ];
  const others: Init[] = [
    {},
    { filter: { text: 'a' } },
    { filter: { ...filter, labels: { a: '2', b: '1' } } },
    { filter: { ...filter, types: [1] } },
    { filter, orderBy: 'create_time desc' },
    { filter, orderBy: 'name' },
  ];
  assert.equal(new Set(same.map(name)).size, 1);
  assert.equal(new Set([...same, ...others].map(name)).size, 1 + others.length);
});

test('an order is one of the fields, upwards or with desc', () => {
  assert.deepEqual(orderBy(''), OLDEST_FIRST);
  assert.deepEqual(orderBy('name'), { by: 'name', isDescending: false });
  assert.deepEqual(orderBy(' update_time   desc '), { by: 'update_time', isDescending: true });
  for (const text of ['id', 'name asc', 'name DESC', 'name, create_time', 'name desc desc', 'desc']) {
    assert.throws(
      () => orderBy(text),
      /order_by: must be one of: create_time, create_time desc, update_time/,
    );
  }
});

test('an integration is selected by the beginning of its name and all labels', () => {
  const one = { name: 'North 1', labels: { team: 'energy', site: '' } };
  const { length } = [
    {},
    { namePrefix: '' },
    { namePrefix: 'North' },
    { labels: { site: '' } },
    { namePrefix: 'North 1', labels: { site: '', team: 'energy' } },
  ].filter((selection) => isSelected(one, selection));
  assert.equal(length, 5);
  for (const selection of [
    { namePrefix: 'north' },
    { namePrefix: 'orth' },
    { namePrefix: 'North 11' },
    { labels: { team: 'Energy' } },
    { labels: { team: 'energy', other: '' } },
    { namePrefix: 'South', labels: { team: 'energy' } },
  ]) {
    assert.equal(isSelected(one, selection), false, JSON.stringify(selection));
  }
});
