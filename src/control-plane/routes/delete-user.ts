import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  DeleteUserRequest,
  DeleteUserResponseSchema,
} from '../../../gen/penstock/v1/user_service_pb.ts';
import { notFound } from '../../rpc/error.ts';
import type { CallContext } from '../../rpc/service.ts';
import { userDifferences } from '../audit/access-differences.ts';
import { trailOf } from '../audit/audit-trail.ts';
import { deleteUser, findUser } from '../store/users.ts';
import type { LoginDeps } from './deps.ts';

export async function deleteUserRoute(
  { db, sessions }: LoginDeps,
  { name }: DeleteUserRequest,
  { caller }: CallContext,
): Promise<MessageInitShape<typeof DeleteUserResponseSchema>> {
  await db.transaction(async (queries) => {
    const stored = await findUser(queries, name, true);
    if (!stored || !(await deleteUser(queries, name))) throw notFound(`user ${name}`);
    await trailOf(caller)?.changed(queries, `users/${name}`, userDifferences(stored.user, undefined));
  });
  sessions.forget();
  return {};
}
