import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code } from '../../../gen/google/rpc/code_pb.ts';
import type { DeleteSessionResponseSchema } from '../../../gen/penstock/v1/auth_service_pb.ts';
import { failed } from '../../rpc/error.ts';
import type { CallContext } from '../../rpc/service.ts';
import { sessionCookie } from '../../rpc/session-cookie.ts';
import { trailOf } from '../audit/audit-trail.ts';
import type { LoginDeps } from './deps.ts';

export async function deleteSession(
  { sessions, isCookieSecure }: LoginDeps,
  { caller, responseHeader }: CallContext,
): Promise<MessageInitShape<typeof DeleteSessionResponseSchema>> {
  const { sessionId } = caller;
  if (sessionId === undefined) {
    const text = 'this call shows no session that could end: only browsers have one, in a cookie';
    throw failed(Code.FAILED_PRECONDITION, 'NO_SESSION', text);
  }
  await sessions.end(sessionId, async (queries) => {
    await trailOf(caller)?.changed(queries, '', []);
  });
  responseHeader.append('set-cookie', sessionCookie('', isCookieSecure));
  return {};
}
