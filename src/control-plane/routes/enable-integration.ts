import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  EnableIntegrationRequest,
  EnableIntegrationResponseSchema,
} from '../../../gen/penstock/v1/integration_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { switchIntegration } from '../integrations/switch-integration.ts';
import type { RouteDeps } from './deps.ts';

export function enableIntegration(
  deps: RouteDeps,
  { id }: EnableIntegrationRequest,
  call: CallContext,
): Promise<MessageInitShape<typeof EnableIntegrationResponseSchema>> {
  return switchIntegration(deps, id, true, call);
}
