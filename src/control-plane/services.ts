import { ClusterService } from '../../gen/penstock/v1/cluster_service_pb.ts';
import { DeadLetterService } from '../../gen/penstock/v1/dead_letter_service_pb.ts';
import { EventService } from '../../gen/penstock/v1/event_service_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { ReplayService } from '../../gen/penstock/v1/replay_service_pb.ts';
import { unimplemented } from '../rpc/error.ts';
import { type RpcService, rpcService } from '../rpc/service.ts';
import { checkConnection } from './routes/check-connection.ts';
import { createIntegration } from './routes/create-integration.ts';
import { deleteIntegration } from './routes/delete-integration.ts';
import type { RouteDeps } from './routes/deps.ts';
import { disableIntegration } from './routes/disable-integration.ts';
import { enableIntegration } from './routes/enable-integration.ts';
import { getIntegration } from './routes/get-integration.ts';
import { listEventsRoute } from './routes/list-events.ts';
import { listIntegrationsRoute } from './routes/list-integrations.ts';
import { updateIntegration } from './routes/update-integration.ts';

/** The services of a control-plane node, for any server. */
export function controlPlaneServices(deps: RouteDeps): readonly RpcService[] {
  return [
    rpcService(IntegrationService, {
      createIntegration: (request, call) => createIntegration(deps, request, call),
      getIntegration: (request) => getIntegration(deps, request),
      listIntegrations: (request) => listIntegrationsRoute(deps, request),
      updateIntegration: (request, call) => updateIntegration(deps, request, call),
      deleteIntegration: (request) => deleteIntegration(deps, request),
      enableIntegration: (request) => enableIntegration(deps, request),
      disableIntegration: (request) => disableIntegration(deps, request),
      restartIntegration: notBuilt('penstock.v1.IntegrationService/RestartIntegration'),
      checkConnection: (request, call) => checkConnection(deps, request, call),
      watchIntegrations: notBuilt('penstock.v1.IntegrationService/WatchIntegrations'),
    }),
    rpcService(EventService, {
      listEvents: (request) => listEventsRoute(deps, request),
      watchEvents: notBuilt('penstock.v1.EventService/WatchEvents'),
    }),
    rpcService(DeadLetterService, {
      listDeadLetters: notBuilt('penstock.v1.DeadLetterService/ListDeadLetters'),
      redriveDeadLetters: notBuilt('penstock.v1.DeadLetterService/RedriveDeadLetters'),
      purgeDeadLetters: notBuilt('penstock.v1.DeadLetterService/PurgeDeadLetters'),
    }),
    rpcService(ReplayService, {
      startReplay: notBuilt('penstock.v1.ReplayService/StartReplay'),
      getReplay: notBuilt('penstock.v1.ReplayService/GetReplay'),
      listReplays: notBuilt('penstock.v1.ReplayService/ListReplays'),
      cancelReplay: notBuilt('penstock.v1.ReplayService/CancelReplay'),
    }),
    rpcService(ClusterService, { listNodes: notBuilt('penstock.v1.ClusterService/ListNodes') }),
  ];
}

function notBuilt(method: string): () => never {
  return () => {
    throw unimplemented(method);
  };
}
