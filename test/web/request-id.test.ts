import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newRequestId } from '../../web/src/api/request-id.ts';

test('a request id is a random UUID of version 4', () => {
  const ids = new Set(Array.from({ length: 1000 }, newRequestId));
  assert.equal(ids.size, 1000);
  for (const id of ids) assert.match(id, /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
});
