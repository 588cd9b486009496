import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { Role } from '../../gen/penstock/v1/access_pb.ts';
import { UserSchema } from '../../gen/penstock/v1/user_service_pb.ts';
import { updatedUser } from '../../src/control-plane/access/user-update.ts';

const stored = create(UserSchema, { name: 'ada', displayName: 'Ada', role: Role.VIEWER });

test('an update that names the password must have one', () => {
  const without = updatedUser(stored, create(UserSchema, { name: 'ada' }), ['password']);
  assert.deepEqual(
    without.violations.map(({ field, reason }) => [field, reason]),
    [['user.password', 'REQUIRED']],
  );
  const password = 'correct horse battery';
  const given = updatedUser(stored, create(UserSchema, { name: 'ada', password }), ['password']);
  assert.deepEqual([given.user.password, given.user.displayName, given.violations], [password, 'Ada', []]);
  const all = updatedUser(stored, create(UserSchema, { name: 'ada', role: Role.EDITOR }), []);
  assert.deepEqual([all.user.password, all.user.role, all.violations], [undefined, Role.EDITOR, []]);
});
