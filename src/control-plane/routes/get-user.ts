import type { MessageInitShape } from '@bufbuild/protobuf';
import type { GetUserRequest, GetUserResponseSchema } from '../../../gen/penstock/v1/user_service_pb.ts';
import { notFound } from '../../rpc/error.ts';
import { findUser } from '../store/users.ts';
import type { LoginDeps } from './deps.ts';

export async function getUser(
  { db }: LoginDeps,
  { name }: GetUserRequest,
): Promise<MessageInitShape<typeof GetUserResponseSchema>> {
  const stored = await findUser(db, name);
  if (!stored) throw notFound(`user ${name}`);
  return { user: stored.user };
}
