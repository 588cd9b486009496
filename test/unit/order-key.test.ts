import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Order, OrderSchema } from '../../gen/penstock/v1/delivery_pb.ts';
import { orderKey } from '../../src/contract/order-key.ts';

const message = {
  topicName: 'sensors/7',
  clientId: 'device-7',
  userProperties: [
    { key: 'line', value: 'first' },
    { key: 'line', value: 'second' },
    { key: '__proto__', value: 'own' },
  ],
};
const order = (key: MessageInitShape<typeof OrderSchema>['key']): Order => create(OrderSchema, { key: key! });

test('the order key is what the policy names', () => {
  assert.equal(orderKey(undefined, message), 'device-7');
  assert.equal(orderKey(create(OrderSchema), message), 'device-7');
  assert.equal(orderKey(order({ case: 'clientId', value: {} }), message), 'device-7');
  assert.equal(orderKey(order({ case: 'topic', value: {} }), message), 'sensors/7');
  assert.equal(orderKey(order({ case: 'none', value: {} }), message), null);
});

test('by user property: the first of that name, and one lane for messages without it', () => {
  assert.equal(orderKey(order({ case: 'userProperty', value: 'line' }), message), 'first');
  assert.equal(orderKey(order({ case: 'userProperty', value: '__proto__' }), message), 'own');
  assert.equal(orderKey(order({ case: 'userProperty', value: 'other' }), message), '');
});
