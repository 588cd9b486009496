import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ListUsersRequest, ListUsersResponseSchema } from '../../../gen/penstock/v1/user_service_pb.ts';
import { listOf, nameOf, nameToken, pageSizeOf } from '../page.ts';
import { listUsers } from '../store/users.ts';
import type { LoginDeps } from './deps.ts';

export async function listUsersRoute(
  { db }: LoginDeps,
  request: ListUsersRequest,
): Promise<MessageInitShape<typeof ListUsersResponseSchema>> {
  const list = listOf(request);
  const size = pageSizeOf(request.pageSize);
  const found = await listUsers(db, { after: nameOf(list, request.pageToken), limit: size + 1 });
  const users = found.slice(0, size);
  const last = found.length > size ? users.at(-1) : undefined;
  return { users, ...(last && { nextPageToken: nameToken(list, last.name) }) };
}
