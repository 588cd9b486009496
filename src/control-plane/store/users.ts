import { create } from '@bufbuild/protobuf';
import { timestampDate, timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { Role, Scope } from '../../../gen/penstock/v1/access_pb.ts';
import { type User, UserSchema } from '../../../gen/penstock/v1/user_service_pb.ts';
import type { Queries } from './database.ts';
import { decodedScope, encodedScope } from './scope-column.ts';

type Row = {
  name: string;
  display_name: string;
  role: Role;
  scope: Uint8Array | null;
  disabled: boolean;
  password: string;
  create_time: Date;
  last_login_time: Date | null;
};

/** PostgreSQL does not take every other text. */
const NAME = /^[a-z0-9._@-]{1,100}$/;

/** A user, and the hash of its password, which the user itself is without. */
export interface StoredUser {
  readonly user: User;
  readonly hash: string;
}

/** False, and nothing is stored, when the name is taken. */
export async function insertUser(queries: Queries, user: User, hash: string): Promise<boolean> {
  const rows = await queries.query(
    `insert into users (name, display_name, role, scope, disabled, password, create_time)
     values ($1, $2, $3, $4, $5, $6, $7) on conflict (name) do nothing returning 1`,
    [...settableOf(user), hash, timestampDate(user.createTime!)],
  );
  return rows.length > 0;
}

export async function countUsers(queries: Queries): Promise<number> {
  const [row] = await queries.query<{ count: number }>('select count(*)::int as count from users');
  return row!.count;
}

/** @param lock keeps others from changing it until the end of the transaction */
export async function findUser(
  queries: Queries,
  name: string,
  lock = false,
): Promise<StoredUser | undefined> {
  if (!NAME.test(name)) return undefined;
  const [row] = await queries.query<Row>(
    `select * from users where name = $1 ${lock ? 'for no key update' : ''}`,
    [name],
  );
  return row && { user: toUser(row), hash: row.password };
}

/** By name, from the one behind `after` on. */
export async function listUsers(
  queries: Queries,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<User[]> {
  const rows = await queries.query<Row>('select * from users where name > $1 order by name limit $2', [
    after,
    limit,
  ]);
  return rows.map(toUser);
}

/** @param hash of a new password; unset: the old one stays */
export async function updateUser(queries: Queries, user: User, hash: string | undefined): Promise<void> {
  await queries.query(
    `update users set display_name = $2, role = $3, scope = $4, disabled = $5, password = coalesce($6, password)
     where name = $1`,
    [...settableOf(user), hash ?? null],
  );
}

/** Its sessions go with it. False: there is none. */
export async function deleteUser(queries: Queries, name: string): Promise<boolean> {
  if (!NAME.test(name)) return false;
  return (await queries.query('delete from users where name = $1 returning 1', [name])).length > 0;
}

/**
 * Notes that a user logs in with the password of this hash, and answers what it may do. Undefined: not any more. Until the end
 * of the transaction nobody changes the user.
 */
export async function noteLogin(
  queries: Queries,
  name: string,
  hash: string,
): Promise<{ readonly role: Role; readonly scope: Scope | undefined } | undefined> {
  const [row] = await queries.query<Row>(
    `update users set last_login_time = clock_timestamp()
     where name = $1 and password = $2 and not disabled returning role, scope`,
    [name, hash],
  );
  return row && { role: row.role, scope: decodedScope(row.scope) };
}

/** False: the hash was another one by then. */
export async function replacePassword(
  queries: Queries,
  name: string,
  before: string,
  now: string,
): Promise<boolean> {
  const rows = await queries.query(
    'update users set password = $3 where name = $1 and password = $2 returning 1',
    [name, before, now],
  );
  return rows.length > 0;
}

const settableOf = ({ name, displayName, role, scope, disabled }: User) => [
  name,
  displayName,
  role,
  encodedScope(scope),
  disabled,
];

function toUser(row: Row): User {
  const scope = decodedScope(row.scope);
  return create(UserSchema, {
    name: row.name,
    displayName: row.display_name,
    role: row.role,
    disabled: row.disabled,
    createTime: timestampFromDate(row.create_time),
    ...(scope && { scope }),
    ...(row.last_login_time && { lastLoginTime: timestampFromDate(row.last_login_time) }),
  });
}
