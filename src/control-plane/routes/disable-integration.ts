import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  DisableIntegrationRequest,
  DisableIntegrationResponseSchema,
} from '../../../gen/penstock/v1/integration_service_pb.ts';
import { switchIntegration } from '../switch-integration.ts';
import type { RouteDeps } from './deps.ts';

export async function disableIntegration(
  deps: RouteDeps,
  { id }: DisableIntegrationRequest,
): Promise<MessageInitShape<typeof DisableIntegrationResponseSchema>> {
  return { integration: await switchIntegration(deps, id, false) };
}
