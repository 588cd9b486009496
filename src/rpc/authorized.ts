import type { DescMethod } from '@bufbuild/protobuf';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { type Role, RoleSchema } from '../../gen/penstock/v1/access_pb.ts';
import { type Authenticate, type Caller, type Presented, stranger } from './caller.ts';
import { failed, type RpcError } from './error.ts';
import { ruleOf } from './policy.ts';
import { type RpcService, wrapHandlers } from './service.ts';

/** Whatever is wrong with what a caller shows: whoever tries is to learn nothing from it. */
export const LOGIN_NEEDED =
  'this call needs a login: send `authorization: Bearer <API token>`, or log in with a browser';

/**
 * Who calls this method.
 * @throws RpcError UNAUTHENTICATED, always the same, when that is nobody who is let in
 */
export async function callerOf(
  method: DescMethod,
  presented: Presented,
  authenticate: Authenticate,
): Promise<Caller> {
  if (ruleOf(method).role === undefined) return stranger(presented.address);
  const caller = await authenticate(presented);
  if (caller === undefined) throw failed(Code.UNAUTHENTICATED, 'UNAUTHENTICATED', LOGIN_NEEDED);
  return caller;
}

/** The service with handlers that are called only for those who may, by the policy. */
export function authorized(service: RpcService): RpcService {
  return wrapHandlers(service, (method, handler) => {
    ruleOf(method); // one that the policy does not name stops the start, not a call
    return (input, context) => {
      const refusal = refusalOf(method, context.caller);
      if (refusal !== undefined) throw refusal;
      return handler(input, context);
    };
  });
}

/** Why this caller may not call; undefined: it may. */
export function refusalOf(method: DescMethod, caller: Caller): RpcError | undefined {
  const { role, isWhole } = ruleOf(method);
  if (role === undefined) return undefined;
  if (caller.role < role) return roleNeeded(method.name, role, caller);
  if (!isWhole || caller.scope === undefined) return undefined;
  const text = `${method.name} concerns more than the integrations that ${caller.name} is limited to: call it as somebody without a scope`;
  return failed(Code.PERMISSION_DENIED, 'SCOPE_TOO_NARROW', text);
}

/** @throws RpcError PERMISSION_DENIED when the caller has less than this role, for what the policy of the method cannot say */
export function requireRole(caller: Caller, role: Role, what: string): void {
  if (caller.role < role) throw roleNeeded(what, role, caller);
}

function roleNeeded(what: string, role: Role, caller: Caller): RpcError {
  const name = (one: Role) => RoleSchema.value[one]?.localName.toLowerCase() ?? 'nobody';
  const text = `${what} needs the role ${name(role)}: ${caller.name} is ${name(caller.role)}; ask an admin`;
  return failed(Code.PERMISSION_DENIED, 'ROLE_NEEDED', text);
}
