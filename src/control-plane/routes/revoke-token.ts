import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code } from '../../../gen/google/rpc/code_pb.ts';
import type {
  RevokeTokenRequest,
  RevokeTokenResponseSchema,
} from '../../../gen/penstock/v1/token_service_pb.ts';
import { failed, notFound } from '../../rpc/error.ts';
import type { CallContext } from '../../rpc/service.ts';
import { messageOf } from '../../runtime/logger.ts';
import { publishAccess } from '../access/publish-access.ts';
import { tokenDifferences } from '../audit/access-differences.ts';
import { trailOf } from '../audit/audit-trail.ts';
import { removeToken } from '../store/tokens.ts';
import type { LoginDeps, RouteDeps } from './deps.ts';

export async function revokeToken(
  deps: RouteDeps & Pick<LoginDeps, 'sessions'>,
  { id }: RevokeTokenRequest,
  { caller }: CallContext,
): Promise<MessageInitShape<typeof RevokeTokenResponseSchema>> {
  const { db, sessions } = deps;
  const removed = await db.transaction(async (queries) => {
    const token = await removeToken(queries, id);
    if (token) await trailOf(caller)?.changed(queries, `tokens/${id}`, tokenDifferences(token, undefined));
    return token;
  });
  if (!removed) throw notFound(`token ${id}`);
  deps.grants?.revoke(id);
  sessions.forget(); // those that were begun by it ended with it
  try {
    await publishAccess(deps);
  } catch (cause) {
    const text = `token ${id} is revoked, and this node lets nobody in by it; other nodes could not be told yet (${messageOf(cause)}): they are within 30 s of its end`;
    throw failed(Code.UNAVAILABLE, 'NOT_PUBLISHED', text, { cause });
  }
  return {};
}
