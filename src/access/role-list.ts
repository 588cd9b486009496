import { Role } from '../../gen/penstock/v1/access_pb.ts';
import { UserError } from '../runtime/user-error.ts';

const ROLES: ReadonlyMap<string, Role> = new Map([
  ['viewer', Role.VIEWER],
  ['operator', Role.OPERATOR],
  ['editor', Role.EDITOR],
  ['admin', Role.ADMIN],
]);

/**
 * Roles by what they are given for.
 * @param items each `what=role`; what stands before the last `=` may hold others
 * @param setting where they stand
 * @throws UserError naming the item that is none, or that is there twice
 */
export function roleList(items: readonly string[], setting: string): ReadonlyMap<string, Role> {
  const roles = new Map<string, Role>();
  for (const item of items) {
    const at = item.lastIndexOf('=');
    const [what, name] = [item.slice(0, Math.max(0, at)).trim(), item.slice(at + 1).trim()];
    const role = ROLES.get(name.toLowerCase());
    if (what === '' || role === undefined) {
      throw new UserError(
        `${setting}: ${item} must be name=role, with a role of ${[...ROLES.keys()].join(', ')}`,
      );
    }
    if (roles.has(what)) throw new UserError(`${setting} names ${what} twice: leave one role for it`);
    roles.set(what, role);
  }
  return roles;
}
