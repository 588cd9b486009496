import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  EnableIntegrationRequest,
  EnableIntegrationResponseSchema,
} from '../../../gen/penstock/v1/integration_service_pb.ts';
import { switchIntegration } from '../switch-integration.ts';
import type { RouteDeps } from './deps.ts';

export async function enableIntegration(
  deps: RouteDeps,
  { id }: EnableIntegrationRequest,
): Promise<MessageInitShape<typeof EnableIntegrationResponseSchema>> {
  return { integration: await switchIntegration(deps, id, true) };
}
