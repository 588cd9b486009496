import { type DescMethod, equals, type Message } from '@bufbuild/protobuf';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { type Role, RoleSchema, ScopeSchema } from '../../gen/penstock/v1/access_pb.ts';
import type { Clock } from '../runtime/clock.ts';
import { type Authenticate, type Caller, type Presented, stranger } from './caller.ts';
import { failed, type RpcError } from './error.ts';
import { watchLogin } from './login-watch.ts';
import { ruleOf } from './policy.ts';
import { type AnyHandler, type CallContext, contextWith, type RpcService, wrapHandlers } from './service.ts';

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
  if (caller === undefined) throw unauthenticated();
  return caller;
}

/** Whether who shows this is still let in, as the same. */
export async function isStill(
  caller: Caller,
  presented: Presented,
  authenticate: Authenticate,
): Promise<boolean> {
  const now = await authenticate(presented);
  return now !== undefined && now.role === caller.role && isSameScope(now, caller);
}

function isSameScope({ scope: a }: Caller, { scope: b }: Caller): boolean {
  return a === b || (a !== undefined && b !== undefined && equals(ScopeSchema, a, b));
}

/**
 * The service with handlers that are called only for those who may, by the policy. A stream that is not open to all ends when its
 * caller is let in no more.
 */
export function authorized(service: RpcService, clock: Clock): RpcService {
  return wrapHandlers(service, (method, handler) => {
    const { role } = ruleOf(method); // one that the policy does not name stops the start, not a call
    const isStream =
      role !== undefined &&
      (method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming');
    return (input, context) => {
      const refusal = refusalOf(method, context.caller);
      if (refusal !== undefined) throw refusal;
      return isStream ? whileLetIn(handler, input, context, clock) : handler(input, context);
    };
  });
}

async function* whileLetIn(handler: AnyHandler, input: never, context: CallContext, clock: Clock) {
  using login = watchLogin(context, clock);
  const signal = AbortSignal.any([context.signal, login.signal]);
  try {
    yield* handler(input, contextWith(context, { signal })) as AsyncIterable<Message>;
  } catch (error) {
    if (!login.signal.aborted) throw error;
  }
  if (login.signal.aborted) throw unauthenticated();
}

const unauthenticated = () => failed(Code.UNAUTHENTICATED, 'UNAUTHENTICATED', LOGIN_NEEDED);

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
