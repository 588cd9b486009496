import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { Role, ScopeSchema, TokenGrantSchema } from '../../gen/penstock/v1/access_pb.ts';
import { Grants } from '../../src/access/grants.ts';
import { hashOfToken } from '../../src/contract/api-token.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const grantOf = (token: string, more: MessageInitShape<typeof TokenGrantSchema> = {}) =>
  create(TokenGrantSchema, {
    ...{ id: randomUUID(), name: token, role: Role.VIEWER, hash: hashOfToken(token) },
    ...more,
  });

const nameBy = (grants: Grants, token: string) => grants.callerOf(token, '192.0.2.1')?.name;

test('a token that is revoked does not come back by a version that was known', () => {
  const grants = new Grants(new ManualClock());
  const [ada, bob] = [grantOf('ada'), grantOf('bob')];
  grants.put(7n, [ada, bob]);
  grants.revoke(ada.id);
  for (const version of [6n, 7n]) grants.put(version, [ada, bob]);
  assert.equal(nameBy(grants, 'ada'), undefined);
  assert.equal(nameBy(grants, 'bob'), 'bob');
  grants.put(8n, [ada]);
  assert.equal(nameBy(grants, 'ada'), 'ada');
  assert.equal(nameBy(grants, 'bob'), undefined);
});

test('a token whose scope only a newer version knows lets nobody in, wherever it is from', () => {
  const grants = new Grants(new ManualClock());
  const scope = create(ScopeSchema, { namePrefix: 'a' });
  scope.$unknown = [{ no: 15, wireType: 0, data: new Uint8Array([1]) }];
  grants.put(1n, [grantOf('later', { scope }), grantOf('now', { scope: { namePrefix: 'a' } })]);
  assert.equal(nameBy(grants, 'later'), undefined);
  assert.equal(nameBy(grants, 'now'), 'now');
});
