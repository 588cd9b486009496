import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { Code } from '../../../gen/google/rpc/code_pb.ts';
import { CallerKind } from '../../../gen/penstock/v1/access_pb.ts';
import type {
  CreateSessionRequest,
  CreateSessionResponseSchema,
} from '../../../gen/penstock/v1/auth_service_pb.ts';
import { failed, RpcError } from '../../rpc/error.ts';
import type { CallContext } from '../../rpc/service.ts';
import { sessionCookie } from '../../rpc/session-cookie.ts';
import { type KeepLogin, type LoggedIn, logInByPassword, logInByToken } from '../access/log-in.ts';
import { selfOf } from '../access/self.ts';
import { type AuditTrail, trailOf } from '../audit/audit-trail.ts';
import type { LoginDeps } from './deps.ts';

export async function createSession(
  deps: LoginDeps,
  request: CreateSessionRequest,
  call: CallContext,
): Promise<MessageInitShape<typeof CreateSessionResponseSchema>> {
  const { access, isCookieSecure, metrics, logger } = deps;
  if (!access?.isLoginRequired) throw noLogin();
  const { address } = call.caller;
  const { session, caller, expireTime } = await logIn(deps, request, call, trailOf(call.caller)).catch(
    (error) => {
      const result = resultOf(error);
      metrics.logins.inc({ result });
      logger.info('somebody could not log in', { address, result });
      throw error;
    },
  );
  metrics.logins.inc({ result: 'succeeded' });
  call.responseHeader.append('set-cookie', sessionCookie(session, isCookieSecure));
  return { self: selfOf(caller), expireTime: timestampFromDate(expireTime) };
}

async function logIn(
  deps: LoginDeps,
  { credentials }: CreateSessionRequest,
  { caller: { address }, signal }: CallContext,
  trail: AuditTrail | undefined,
): Promise<LoggedIn> {
  const keep: KeepLogin = async (queries, caller) => {
    trail?.identify(caller);
    await trail?.changed(queries, caller.kind === CallerKind.USER ? `users/${caller.name}` : '', []);
  };
  if (credentials.case === 'token') return logInByToken(deps, credentials.value.value, address, keep);
  if (credentials.case === 'password') return logInByPassword(deps, credentials.value, address, signal, keep);
  throw new Error('the request was not validated');
}

function resultOf(error: unknown): string {
  if (!(error instanceof RpcError)) return 'failed';
  if (error.code === Code.UNAUTHENTICATED) return 'wrong';
  return error.code === Code.RESOURCE_EXHAUSTED ? 'limited' : 'failed';
}

const noLogin = () =>
  failed(
    Code.FAILED_PRECONDITION,
    'NO_LOGIN',
    'no login is configured: whoever reaches this node may do everything; PENSTOCK_LOGIN=required changes that',
  );
