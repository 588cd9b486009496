import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  GetRevisionRequest,
  GetRevisionResponseSchema,
} from '../../../gen/penstock/v1/revision_service_pb.ts';
import { notFound } from '../../rpc/error.ts';
import type { CallContext } from '../../rpc/service.ts';
import { isInScope } from '../access/scope.ts';
import { findIntegration } from '../store/integrations.ts';
import { findRevision } from '../store/revisions.ts';
import type { RouteDeps } from './deps.ts';

/** Also of an integration that is deleted, but not for a caller with a scope. */
export async function getRevision(
  { db }: RouteDeps,
  { integrationId, generation }: GetRevisionRequest,
  { caller }: CallContext,
): Promise<MessageInitShape<typeof GetRevisionResponseSchema>> {
  const stored = caller.scope && (await findIntegration(db, integrationId));
  const isKnown = caller.scope === undefined || (stored && isInScope(caller, stored.integration));
  const revision = isKnown && (await findRevision(db, integrationId, generation));
  if (!revision) throw notFound(`revision ${generation} of integration ${integrationId}`);
  return { revision };
}
