import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placed } from '../../web/src/forms/violations.ts';

const CONTROLS = new Set([
  'name',
  'topic_filters',
  'http.headers',
  'http.secret_headers',
  'http.secret_headers[0].value',
  'http.tls',
]);

const places = (...paths: string[]) =>
  Object.fromEntries(
    placed(
      paths.map((path) => ({ path, description: 'wrong' })),
      CONTROLS,
    ),
  );

test('what is wrong is told at its field, at what the field is in, or above all; never nowhere', () => {
  assert.deepEqual(places('integration.name'), { name: ['wrong'] });
  assert.deepEqual(places('name', 'integration.name'), { name: ['wrong', 'wrong'] });
  assert.deepEqual(places('integration.topic_filters[12]'), { topic_filters: ['wrong'] });
  assert.deepEqual(places('http.headers["a.b]c"]'), { 'http.headers': ['wrong'] });
  assert.deepEqual(places('http.secret_headers[0].value'), { 'http.secret_headers[0].value': ['wrong'] });
  assert.deepEqual(places('http.secret_headers["x"].value'), { 'http.secret_headers': ['wrong'] });
  assert.deepEqual(places('integration.http.tls.private_key'), { 'http.tls': ['wrong'] });
  assert.deepEqual(places('integration.mqtt.host'), { '': ['mqtt.host: wrong'] });
  assert.deepEqual(places('update_mask', '', 'integration', ']'), {
    '': ['update_mask: wrong', 'wrong', 'wrong', ']: wrong'],
  });
});
