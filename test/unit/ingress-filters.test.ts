import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { Filters } from '../../src/ingress/filters.ts';

const HTTP = { topic: 'http', partition: 0 };
const KAFKA = { topic: 'kafka', partition: 3 };
const integration = (generation: number, ...topicFilters: string[]) =>
  create(IntegrationSchema, { generation: BigInt(generation), topicFilters });
const newFilters = () => new Filters((id) => `msg.${id}`);
const found = (filters: Filters, topicName: string) =>
  [...filters.match(topicName)].map(({ topic }) => topic);

test('an integration with several filters that match is found once', () => {
  const filters = newFilters();
  filters.put('a', integration(1, 'x/#', 'x/+'), HTTP);
  assert.deepEqual(found(filters, 'x/1'), ['msg.a']);
});

test('the newest generation counts, in whatever order they come', () => {
  const filters = newFilters();
  filters.put('a', integration(2, 'new'), HTTP);
  filters.put('a', integration(1, 'old'), HTTP);
  assert.deepEqual([found(filters, 'new'), found(filters, 'old')], [['msg.a'], []]);
  filters.put('a', integration(3, 'newer'), HTTP);
  assert.deepEqual([found(filters, 'new'), found(filters, 'newer')], [[], ['msg.a']]);
});

test('an integration whose type was changed outlives the deletion from the topic of its old type', () => {
  const filters = newFilters();
  filters.put('a', integration(1, 'x'), HTTP);
  filters.put('a', integration(2, 'x'), KAFKA);
  filters.delete('a', HTTP);
  assert.deepEqual(found(filters, 'x'), ['msg.a']);
  filters.delete('a', KAFKA);
  assert.deepEqual(found(filters, 'x'), []);
});

test('a partition that is read again keeps its filters meanwhile, and loses those that are gone', () => {
  const filters = newFilters();
  filters.put('kept', integration(1, 'x'), HTTP);
  filters.put('gone', integration(1, 'x'), HTTP);
  filters.put('elsewhere', integration(1, 'x'), KAFKA);
  filters.lost(HTTP);
  assert.equal(found(filters, 'x').length, 3);
  filters.put('kept', integration(1, 'x'), HTTP);
  filters.restored(HTTP);
  assert.deepEqual(found(filters, 'x').sort(), ['msg.elsewhere', 'msg.kept']);
  filters.restored(HTTP);
  assert.equal(found(filters, 'x').length, 2);
});
