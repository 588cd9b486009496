import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  CreateTokenRequest,
  CreateTokenResponseSchema,
} from '../../../gen/penstock/v1/token_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { messageOf } from '../../runtime/logger.ts';
import { newToken } from '../access/new-token.ts';
import { publishAccess } from '../access/publish-access.ts';
import { tokenDifferences } from '../audit/access-differences.ts';
import { trailOf } from '../audit/audit-trail.ts';
import type { RouteDeps } from './deps.ts';

export async function createToken(
  deps: RouteDeps,
  { token }: CreateTokenRequest,
  { caller }: CallContext,
): Promise<MessageInitShape<typeof CreateTokenResponseSchema>> {
  const { db, clock, logger } = deps;
  const made = await newToken(db, token!, caller.name, clock.now(), async (queries, stored) => {
    await trailOf(caller)?.changed(queries, `tokens/${stored.id}`, tokenDifferences(undefined, stored));
  });
  // Its value is told now or never. This node knows it; the others will.
  await publishAccess(deps).catch((error) => {
    logger.warn('a new API token is not known to other nodes yet', { why: messageOf(error) });
  });
  return made;
}
