import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  GetIntegrationRequest,
  GetIntegrationResponseSchema,
} from '../../../gen/penstock/v1/integration_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { findInScope } from '../access/scope.ts';
import { loadAnswer } from '../integrations/answer.ts';
import type { RouteDeps } from './deps.ts';

export async function getIntegration(
  { db }: RouteDeps,
  { id }: GetIntegrationRequest,
  { caller }: CallContext,
): Promise<MessageInitShape<typeof GetIntegrationResponseSchema>> {
  return { integration: await loadAnswer(db, await findInScope(db, caller, id)) };
}
