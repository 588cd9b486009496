import { clone, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code } from '../../../gen/google/rpc/code_pb.ts';
import {
  type CreateUserRequest,
  type CreateUserResponseSchema,
  UserSchema,
} from '../../../gen/penstock/v1/user_service_pb.ts';
import { failed } from '../../rpc/error.ts';
import type { CallContext } from '../../rpc/service.ts';
import { userDifferences } from '../audit/access-differences.ts';
import { trailOf } from '../audit/audit-trail.ts';
import { countUsers, insertUser } from '../store/users.ts';
import type { LoginDeps } from './deps.ts';

/** More people have a provider that logs them in. */
const MAX_USERS = 10_000;

export async function createUser(
  { db, clock, passwords }: LoginDeps,
  request: CreateUserRequest,
  { caller, signal }: CallContext,
): Promise<MessageInitShape<typeof CreateUserResponseSchema>> {
  const { password, lastLoginTime: _, ...draft } = request.user!;
  const user = clone(UserSchema, draft);
  user.createTime = timestampFromMs(clock.now());
  if ((await countUsers(db)) >= MAX_USERS) throw tooMany();
  const hash = await passwords.hash(password!, signal);
  await db.transaction(async (queries) => {
    if (!(await insertUser(queries, user, hash))) throw taken(user.name);
    await trailOf(caller)?.changed(queries, `users/${user.name}`, userDifferences(undefined, user, true));
  });
  return { user };
}

const taken = (name: string) =>
  failed(
    Code.ALREADY_EXISTS,
    'NAME_TAKEN',
    `there is a user ${name} already: take another name, or change that one`,
  );

const tooMany = () =>
  failed(
    Code.RESOURCE_EXHAUSTED,
    'TOO_MANY_USERS',
    `there are ${MAX_USERS} users: delete those who log in no more`,
  );
