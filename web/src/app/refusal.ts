import { METHODS_OF_ROLES } from '../../../gen/penstock/v1/roles.ts';
import type { Role, Self } from '../../../src/client/contract.ts';
import { accessRoleName } from '../ui/names.ts';

/** The role that a method such as `TokenService/ListTokens` asks for; undefined: none, or it is not known here. */
const roleFor = (method: string): Role | undefined =>
  METHODS_OF_ROLES.find(([, methods]) => methods.split(' ').includes(method))?.[0] as Role | undefined;

/** Why somebody may not call a method; undefined: it may, or it is not known what it may. */
export function refusalOf({ name, role, allowedMethods }: Self, method: string): string | undefined {
  if (allowedMethods.length === 0 || allowedMethods.some((one) => one.endsWith(`.${method}`)))
    return undefined;
  const needed = roleFor(method);
  if (needed === undefined) return `${name} may not do this: ask an admin`;
  if (needed <= role) return `${name} may not do this: it concerns more than the integrations of your scope`;
  return `${name} may not do this: it needs the role ${accessRoleName(needed)}; ask an admin`;
}
