import { type Token, TokenSchema } from '../../../gen/penstock/v1/token_service_pb.ts';
import { type User, UserSchema } from '../../../gen/penstock/v1/user_service_pb.ts';
import { type Difference, differences } from './differences.ts';

/** What is different in an API token; unset: it is not there before, or after. */
export const tokenDifferences = (before: Token | undefined, after: Token | undefined) =>
  differences(TokenSchema, before, after, ['id', 'create_time', 'created_by', 'last_used_time']);

/** What is different in a user; `hasPassword`: it gets another password. */
export function userDifferences(
  before: User | undefined,
  after: User | undefined,
  hasPassword = false,
): readonly Difference[] {
  const [was, is] = [withoutPassword(before), withoutPassword(after)];
  const others = differences(UserSchema, was, is, ['name', 'create_time', 'last_login_time']);
  return hasPassword ? [...others, { path: 'password', secret: true }] : others;
}

function withoutPassword(user: User | undefined): User | undefined {
  if (user === undefined) return undefined;
  const { password: _, ...rest } = user;
  return rest;
}
