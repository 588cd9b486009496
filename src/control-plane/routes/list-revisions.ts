import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  ListRevisionsRequest,
  ListRevisionsResponseSchema,
} from '../../../gen/penstock/v1/revision_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { findInScope } from '../access/scope.ts';
import { unknownIntegration } from '../integrations/guards.ts';
import { generationOf, generationToken, listOf, pageSizeOf } from '../page.ts';
import { findIntegration } from '../store/integrations.ts';
import { listRevisions } from '../store/revisions.ts';
import type { RouteDeps } from './deps.ts';

/** Also of an integration that is deleted, but not for a caller with a scope. */
export async function listRevisionsRoute(
  { db }: RouteDeps,
  request: ListRevisionsRequest,
  { caller }: CallContext,
): Promise<MessageInitShape<typeof ListRevisionsResponseSchema>> {
  const { integrationId, pageToken, pageSize } = request;
  const list = listOf(request);
  const before = generationOf(list, pageToken);
  const size = pageSizeOf(pageSize);
  if (caller.scope) await findInScope(db, caller, integrationId);
  const found = await listRevisions(db, integrationId, { before, limit: size + 1 });
  if (found.length === 0 && !(await findIntegration(db, integrationId)))
    throw unknownIntegration(integrationId);
  const revisions = found.slice(0, size);
  const last = found.length > size ? revisions.at(-1) : undefined;
  return { revisions, ...(last && { nextPageToken: generationToken(list, last.generation) }) };
}
