import type { MessageInitShape, UpdateUserRequestSchema, User } from '../../../../src/client/contract.ts';
import { Role } from '../../../../src/client/contract.ts';
import { readScope, scopeText, type TypedScope, typedScope } from './scope.ts';

/** What is typed of a user. */
export interface TypedUser {
  readonly name: string;
  readonly displayName: string;
  readonly role: Role;
  readonly scope: TypedScope;
  /** Empty: as before. */
  readonly password: string;
}

export const MIN_PASSWORD = 12;

export const typedUser = (user: User | undefined): TypedUser => ({
  name: user?.name ?? '',
  displayName: user?.displayName ?? '',
  role: user?.role ?? Role.VIEWER,
  scope: typedScope(user?.scope),
  password: '',
});

/** Why it cannot be sent as it is; undefined: it can. @param before undefined: it is a new one */
export function problemOf(typed: TypedUser, before: User | undefined): string | undefined {
  if (typed.name.trim() === '') return 'A user needs a name, such as an e-mail address.';
  const length = [...typed.password].length;
  if ((!before || length > 0) && length < MIN_PASSWORD)
    return `A password has ${MIN_PASSWORD} characters or more: this one has ${length}.`;
  const scope = readScope(typed.scope);
  return 'problem' in scope ? scope.problem : undefined;
}

/** The user as it is sent. */
export function userOf(typed: TypedUser) {
  const { name, displayName, role, password } = typed;
  const read = readScope(typed.scope);
  const scope = role === Role.ADMIN || 'problem' in read ? undefined : read.scope;
  return {
    name: name.trim().toLowerCase(),
    displayName,
    role,
    ...(scope && { scope }),
    ...(password !== '' && { password }),
  };
}

/** What an edit changes, and nothing else: somebody else may have changed the rest. Undefined: nothing. */
export function changeOf(
  typed: TypedUser,
  before: User,
): MessageInitShape<typeof UpdateUserRequestSchema> | undefined {
  const user = userOf(typed);
  const scopeNow = scopeText(user.scope ? { $typeName: 'penstock.v1.Scope', ...user.scope } : undefined);
  const paths = [
    ...(user.displayName === before.displayName ? [] : ['display_name']),
    ...(user.role === before.role ? [] : ['role']),
    ...(scopeNow === scopeText(before.scope) ? [] : ['scope']),
    ...(user.password === undefined ? [] : ['password']),
  ];
  return paths.length === 0 ? undefined : { user, updateMask: { paths } };
}
