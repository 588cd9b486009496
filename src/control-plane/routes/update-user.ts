import { equals, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type UpdateUserRequest,
  type UpdateUserResponseSchema,
  type User,
  UserSchema,
} from '../../../gen/penstock/v1/user_service_pb.ts';
import { violationsOf } from '../../contract/validate.ts';
import type { Caller } from '../../rpc/caller.ts';
import { invalidArgument, notFound } from '../../rpc/error.ts';
import type { CallContext } from '../../rpc/service.ts';
import { updatedUser } from '../access/user-update.ts';
import { userDifferences } from '../audit/access-differences.ts';
import { trailOf } from '../audit/audit-trail.ts';
import type { Queries } from '../store/database.ts';
import { deleteSessionsOf } from '../store/sessions.ts';
import { findUser, updateUser } from '../store/users.ts';
import type { LoginDeps } from './deps.ts';

export async function updateUserRoute(
  { db, passwords, sessions }: LoginDeps,
  request: UpdateUserRequest,
  { caller, signal }: CallContext,
): Promise<MessageInitShape<typeof UpdateUserResponseSchema>> {
  const { user: draft } = await merged(db, request);
  // Outside of the transaction: it takes its time.
  const hash = draft.password === undefined ? undefined : await passwords.hash(draft.password, signal);
  const user = await db.transaction((queries) => save(queries, request, hash, caller));
  sessions.forget();
  return { user };
}

async function save(
  queries: Queries,
  request: UpdateUserRequest,
  hash: string | undefined,
  by: Caller,
): Promise<User> {
  const { before, user } = await merged(queries, request, true);
  await updateUser(queries, user, hash);
  const changes = userDifferences(before, user, hash !== undefined);
  await trailOf(by)?.changed(queries, `users/${user.name}`, changes);
  if (hash !== undefined || mayDiffer(before, user)) await deleteSessionsOf(queries, user.name);
  const { password: _, ...told } = user;
  return told;
}

/** Whether the sessions of before are not those that a login would begin now. */
const mayDiffer = (before: User, now: User): boolean =>
  !equals(UserSchema, { ...now, displayName: before.displayName }, before);

/** @throws RpcError when there is no such user, or the change is not possible */
async function merged(queries: Queries, { user: changes, updateMask }: UpdateUserRequest, lock = false) {
  const name = changes?.name ?? '';
  if (changes === undefined || name === '') throw invalidArgument([NAME_NEEDED]);
  const stored = await findUser(queries, name, lock);
  if (stored === undefined) throw notFound(`user ${name}`);
  const { user, violations } = updatedUser(stored.user, changes, updateMask?.paths ?? []);
  const wrong = [...violations, ...violationsOf(UserSchema, user, 'user')];
  if (wrong.length > 0) throw invalidArgument(wrong);
  return { before: stored.user, user };
}

const NAME_NEEDED = {
  field: 'user.name',
  description: 'is required: the name of the user to change',
  reason: 'REQUIRED',
};
