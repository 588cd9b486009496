import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { Role } from '../../gen/penstock/v1/access_pb.ts';
import { TokenSchema } from '../../gen/penstock/v1/token_service_pb.ts';
import { violationsOf } from '../../src/contract/validate.ts';

const brokenBy = (changes: { readonly name?: string; readonly note?: string }) =>
  violationsOf(TokenSchema, create(TokenSchema, { name: 'ci', role: Role.VIEWER, ...changes })).map(
    ({ field, reason }) => `${field} ${reason}`,
  );

test('the note of a token has no control characters but line breaks', () => {
  assert.deepEqual(brokenBy({ note: 'für die Pipeline\r\nvon Ada 🙂' }), []);
  assert.deepEqual(brokenBy({ note: '' }), []);
  for (const note of ['a\0b', '\0', 'a\u001b[2J', 'a\nb\u009f']) {
    assert.deepEqual(brokenBy({ note }), ['note TOKEN_NOTE'], JSON.stringify(note));
  }
});

test('no token is called as the bootstrap token is in records', () => {
  assert.deepEqual(brokenBy({ name: 'bootstrap' }), ['name TOKEN_NAME_RESERVED']);
  assert.deepEqual(brokenBy({ name: 'bootstrap 2' }), []);
});
