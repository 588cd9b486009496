import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  GetIntegrationRequest,
  GetIntegrationResponseSchema,
} from '../../../gen/penstock/v1/integration_service_pb.ts';
import { loadAnswer } from '../integrations/answer.ts';
import { unknownIntegration } from '../integrations/guards.ts';
import { findIntegration } from '../store/integrations.ts';
import type { RouteDeps } from './deps.ts';

export async function getIntegration(
  { db }: RouteDeps,
  { id }: GetIntegrationRequest,
): Promise<MessageInitShape<typeof GetIntegrationResponseSchema>> {
  const stored = await findIntegration(db, id);
  if (!stored) throw unknownIntegration(id);
  return { integration: await loadAnswer(db, stored) };
}
