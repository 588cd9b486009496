import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  WatchIntegrationsRequest,
  WatchIntegrationsResponseSchema,
} from '../../../gen/penstock/v1/integration_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { IntegrationWatch } from '../integrations/integration-watch.ts';
import type { RouteDeps } from './deps.ts';

export function watchIntegrations(
  { db, clock, watches }: RouteDeps,
  { filter }: WatchIntegrationsRequest,
  { caller, signal }: CallContext,
): AsyncIterable<MessageInitShape<typeof WatchIntegrationsResponseSchema>> {
  const watch = new IntegrationWatch({ db, clock, caller }, filter);
  return watches.watch(() => watch.poll(), signal);
}
