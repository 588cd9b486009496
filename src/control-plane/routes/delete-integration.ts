import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  DeleteIntegrationRequest,
  DeleteIntegrationResponseSchema,
} from '../../../gen/penstock/v1/integration_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { requireEtag, unknownIntegration } from '../integrations/guards.ts';
import { saveDeletion } from '../store/changes.ts';
import type { RouteDeps } from './deps.ts';

/** Its events stay until they are too old. */
export async function deleteIntegration(
  { db, topics, wakeRelay }: RouteDeps,
  { id, etag }: DeleteIntegrationRequest,
  { caller }: CallContext,
): Promise<MessageInitShape<typeof DeleteIntegrationResponseSchema>> {
  const isDeleted = await saveDeletion(db, topics, caller, id, (integration) =>
    requireEtag(integration, etag),
  );
  if (!isDeleted) throw unknownIntegration(id);
  wakeRelay();
  return {};
}
