import type { MessageInitShape, UpdateUserRequestSchema, User } from '../../../../src/client/contract.ts';
import { Role } from '../../../../src/client/contract.ts';
import { readScope, type TypedScope, typedScope } from './scope.ts';

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
  if (!isScopeTyped(typed, before)) return undefined;
  const scope = readScope(typed.scope);
  return 'problem' in scope ? scope.problem : undefined;
}

/** What is stored may be written otherwise than it can be typed: it is read only where somebody typed another one. */
function isScopeTyped({ role, scope }: TypedUser, before: User | undefined): boolean {
  if (role === Role.ADMIN) return false;
  const { prefix, labels } = typedScope(before?.scope);
  return scope.prefix !== prefix || scope.labels !== labels;
}

/** The user as it is sent. @param before undefined: it is a new one */
export function userOf(typed: TypedUser, before?: User) {
  const { name, displayName, role, password } = typed;
  const read = isScopeTyped(typed, before) ? readScope(typed.scope) : undefined;
  const scope = read && 'scope' in read ? read.scope : undefined;
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
  const user = userOf(typed, before);
  const becomesAdmin = user.role === Role.ADMIN && before.role !== Role.ADMIN; // which has none
  const paths = [
    ...(user.displayName === before.displayName ? [] : ['display_name']),
    ...(user.role === before.role ? [] : ['role']),
    ...(becomesAdmin || isScopeTyped(typed, before) ? ['scope'] : []),
    ...(user.password === undefined ? [] : ['password']),
  ];
  return paths.length === 0 ? undefined : { user, updateMask: { paths } };
}
