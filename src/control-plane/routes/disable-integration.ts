import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  DisableIntegrationRequest,
  DisableIntegrationResponseSchema,
} from '../../../gen/penstock/v1/integration_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { switchIntegration } from '../integrations/switch-integration.ts';
import type { RouteDeps } from './deps.ts';

export async function disableIntegration(
  deps: RouteDeps,
  { id }: DisableIntegrationRequest,
  call: CallContext,
): Promise<MessageInitShape<typeof DisableIntegrationResponseSchema>> {
  const { integration } = await switchIntegration(deps, id, false, call);
  return { ...(integration && { integration }) };
}
