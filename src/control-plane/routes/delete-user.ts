import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  DeleteUserRequest,
  DeleteUserResponseSchema,
} from '../../../gen/penstock/v1/user_service_pb.ts';
import { notFound } from '../../rpc/error.ts';
import { deleteUser } from '../store/users.ts';
import type { LoginDeps } from './deps.ts';

export async function deleteUserRoute(
  { db, sessions }: LoginDeps,
  { name }: DeleteUserRequest,
): Promise<MessageInitShape<typeof DeleteUserResponseSchema>> {
  if (!(await deleteUser(db, name))) throw notFound(`user ${name}`);
  sessions.forget();
  return {};
}
