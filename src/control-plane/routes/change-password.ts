import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code } from '../../../gen/google/rpc/code_pb.ts';
import { CallerKind } from '../../../gen/penstock/v1/access_pb.ts';
import type {
  ChangePasswordRequest,
  ChangePasswordResponseSchema,
} from '../../../gen/penstock/v1/auth_service_pb.ts';
import { failed, invalidArgument } from '../../rpc/error.ts';
import type { CallContext } from '../../rpc/service.ts';
import { idToHash } from '../access/sessions.ts';
import { trailOf } from '../audit/audit-trail.ts';
import { deleteSessionsOf } from '../store/sessions.ts';
import { findUser, replacePassword } from '../store/users.ts';
import type { LoginDeps } from './deps.ts';

export async function changePassword(
  { db, passwords, sessions, loginLimits }: LoginDeps,
  request: ChangePasswordRequest,
  { caller, signal }: CallContext,
): Promise<MessageInitShape<typeof ChangePasswordResponseSchema>> {
  const { kind, name, sessionId, address } = caller;
  if (kind !== CallerKind.USER || sessionId === undefined) throw noPassword();
  // Who has but the session is not to find the password by trying.
  loginLimits.take(address, name);
  const stored = await findUser(db, name);
  const isRight = await passwords.matches(request.currentPassword, stored?.hash, 'known', signal);
  if (!isRight) throw wrongPassword();
  const hash = await passwords.hash(request.newPassword, signal);
  const isChanged = await db.transaction(async (queries) => {
    if (!(await replacePassword(queries, name, stored!.hash, hash))) return false;
    await deleteSessionsOf(queries, name, idToHash(sessionId));
    await trailOf(caller)?.changed(queries, `users/${name}`, [{ path: 'password', secret: true }]);
    return true;
  });
  if (!isChanged) throw wrongPassword(); // it is another one since a moment ago
  sessions.forget();
  return {};
}

const noPassword = () =>
  failed(
    Code.FAILED_PRECONDITION,
    'NO_PASSWORD',
    'this caller has no password here: only who logged in with one can change it',
  );

const wrongPassword = () =>
  invalidArgument([
    { field: 'current_password', description: 'is not the password', reason: 'WRONG_PASSWORD' },
  ]);
