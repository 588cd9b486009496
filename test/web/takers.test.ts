import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { reasonText } from '../../web/src/pages/try/reason-codes.ts';
import { takersOf } from '../../web/src/pages/try/takers.ts';

const one = (name: string, enabled: boolean, ...topicFilters: string[]) =>
  create(IntegrationSchema, { id: name, name, enabled, topicFilters });
const ALL = [
  one('a', true, 'sensors/#'),
  one('b', false, 'sensors/+/temperature', 'x'),
  one('c', true, 'plant/+/cold/#'),
];
const names = (all: readonly { readonly name: string }[]) => all.map(({ name }) => name).join();

test('who takes a topic is told, apart from those that keep it until they are enabled', () => {
  const { enabled, disabled, near, problem } = takersOf('sensors/1/temperature', ALL);
  assert.deepEqual([names(enabled), names(disabled), near, problem], ['a', 'b', [], undefined]);
});

test('when nobody takes it, the topic filters that are nearly it are told', () => {
  const near = (topic: string) => takersOf(topic, ALL).near.map(({ filter }) => filter);
  assert.deepEqual(near('sensr/1/temperature'), ['sensors/#', 'sensors/+/temperature']);
  assert.deepEqual(near('plant/7/clod/1'), ['plant/+/cold/#']);
  assert.deepEqual(near('something/else'), []);
  assert.deepEqual(near(''), []);
});

test('what is no topic name is told', () => {
  for (const topic of ['a/#', 'a/+', 'a\0b']) {
    const { problem, enabled } = takersOf(topic, ALL);
    assert.ok(problem, topic);
    assert.deepEqual(enabled, []);
  }
});

test('a reason code is told in words', () => {
  assert.equal(reasonText(0), '0x00: taken in');
  assert.match(reasonText(0x97), /^0x97: a quota is exceeded/);
  assert.match(reasonText(0xff), /^0xff: see section 2\.4/);
});
