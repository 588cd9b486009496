import type {
  WatchIntegrationsRequest,
  WatchIntegrationsResponse,
} from '../../../gen/penstock/v1/integration_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { IntegrationWatch } from '../watches/integration-watch.ts';
import type { RouteDeps } from './deps.ts';

export function watchIntegrations(
  { watches }: RouteDeps,
  { filter, view }: WatchIntegrationsRequest,
  { caller, signal }: CallContext,
): AsyncIterable<WatchIntegrationsResponse> {
  return watches.watch(new IntegrationWatch(caller, filter, view).answers(watches.integrations, signal));
}
