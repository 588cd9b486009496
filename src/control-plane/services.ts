import { AuditService } from '../../gen/penstock/v1/audit_service_pb.ts';
import { AuthService } from '../../gen/penstock/v1/auth_service_pb.ts';
import { ClusterService } from '../../gen/penstock/v1/cluster_service_pb.ts';
import { DeadLetterService } from '../../gen/penstock/v1/dead_letter_service_pb.ts';
import { EventService } from '../../gen/penstock/v1/event_service_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { MessageLogService } from '../../gen/penstock/v1/message_log_service_pb.ts';
import { ReplayService } from '../../gen/penstock/v1/replay_service_pb.ts';
import { RevisionService } from '../../gen/penstock/v1/revision_service_pb.ts';
import { StatisticsService } from '../../gen/penstock/v1/statistics_service_pb.ts';
import { SystemService } from '../../gen/penstock/v1/system_service_pb.ts';
import { TokenService } from '../../gen/penstock/v1/token_service_pb.ts';
import { UserService } from '../../gen/penstock/v1/user_service_pb.ts';
import { WatchService } from '../../gen/penstock/v1/watch_service_pb.ts';
import { type RpcService, rpcService } from '../rpc/service.ts';
import { selfOf } from './access/self.ts';
import { cancelRedrive } from './routes/cancel-redrive.ts';
import { cancelReplay } from './routes/cancel-replay.ts';
import { changePassword } from './routes/change-password.ts';
import { checkConnection } from './routes/check-connection.ts';
import { createIntegration } from './routes/create-integration.ts';
import { createSession } from './routes/create-session.ts';
import { createToken } from './routes/create-token.ts';
import { createUser } from './routes/create-user.ts';
import { deleteIntegration } from './routes/delete-integration.ts';
import { deleteSession } from './routes/delete-session.ts';
import { deleteUserRoute } from './routes/delete-user.ts';
import type { LoginDeps, MessageLogDeps } from './routes/deps.ts';
import { disableIntegration } from './routes/disable-integration.ts';
import { enableIntegration } from './routes/enable-integration.ts';
import { getIntegration } from './routes/get-integration.ts';
import { getLoginMethods } from './routes/get-login-methods.ts';
import { getMessage } from './routes/get-message.ts';
import { getRedrive } from './routes/get-redrive.ts';
import { getReplay } from './routes/get-replay.ts';
import { getRevision } from './routes/get-revision.ts';
import { getSystem } from './routes/get-system.ts';
import { getUser } from './routes/get-user.ts';
import { listAuditRecordsRoute } from './routes/list-audit-records.ts';
import { listDeadLetters } from './routes/list-dead-letters.ts';
import { listEventsRoute } from './routes/list-events.ts';
import { listFigures } from './routes/list-figures.ts';
import { listIntegrationsRoute } from './routes/list-integrations.ts';
import { listMessages } from './routes/list-messages.ts';
import { listNodes } from './routes/list-nodes.ts';
import { listRedrivesRoute } from './routes/list-redrives.ts';
import { listReplaysRoute } from './routes/list-replays.ts';
import { listRevisionsRoute } from './routes/list-revisions.ts';
import { listTokensRoute } from './routes/list-tokens.ts';
import { listUsersRoute } from './routes/list-users.ts';
import { purgeDeadLetters } from './routes/purge-dead-letters.ts';
import { queryStatistics } from './routes/query-statistics.ts';
import { redriveDeadLetters } from './routes/redrive-dead-letters.ts';
import { restartIntegration } from './routes/restart-integration.ts';
import { revokeToken } from './routes/revoke-token.ts';
import { startRedrive } from './routes/start-redrive.ts';
import { startReplay } from './routes/start-replay.ts';
import { tryDelivery } from './routes/try-delivery.ts';
import { updateIntegration } from './routes/update-integration.ts';
import { updateUserRoute } from './routes/update-user.ts';
import { watch } from './routes/watch.ts';
import { watchEvents } from './routes/watch-events.ts';
import { watchIntegrations } from './routes/watch-integrations.ts';
import { watchMessages } from './routes/watch-messages.ts';

/** The services of a control-plane node, for any server. */
export function controlPlaneServices(deps: MessageLogDeps & LoginDeps): readonly RpcService[] {
  return [
    rpcService(IntegrationService, {
      createIntegration: (request, call) => createIntegration(deps, request, call),
      getIntegration: (request, call) => getIntegration(deps, request, call),
      listIntegrations: (request, call) => listIntegrationsRoute(deps, request, call),
      updateIntegration: (request, call) => updateIntegration(deps, request, call),
      deleteIntegration: (request, call) => deleteIntegration(deps, request, call),
      enableIntegration: (request, call) => enableIntegration(deps, request, call),
      disableIntegration: (request, call) => disableIntegration(deps, request, call),
      restartIntegration: (request, call) => restartIntegration(deps, request, call),
      checkConnection: (request, call) => checkConnection(deps, request, call),
      tryDelivery: (request, call) => tryDelivery(deps, request, call),
      watchIntegrations: (request, call) => watchIntegrations(deps, request, call),
    }),
    rpcService(RevisionService, {
      listRevisions: (request, call) => listRevisionsRoute(deps, request, call),
      getRevision: (request, call) => getRevision(deps, request, call),
    }),
    rpcService(EventService, {
      listEvents: (request, call) => listEventsRoute(deps, request, call),
      watchEvents: (request, call) => watchEvents(deps, request, call),
    }),
    rpcService(WatchService, { watch: (request, call) => watch(deps, request, call) }),
    rpcService(StatisticsService, {
      queryStatistics: (request, call) => queryStatistics(deps, request, call),
      listFigures: (request, call) => listFigures(deps, request, call),
    }),
    rpcService(MessageLogService, {
      listMessages: (request, call) => listMessages(deps, request, call),
      getMessage: (request, call) => getMessage(deps, request, call),
      watchMessages: (request, call) => watchMessages(deps, request, call),
    }),
    rpcService(DeadLetterService, {
      listDeadLetters: (request, call) => listDeadLetters(deps, request, call),
      redriveDeadLetters: (request, call) => redriveDeadLetters(deps, request, call),
      purgeDeadLetters: (request, call) => purgeDeadLetters(deps, request, call),
      startRedrive: (request, call) => startRedrive(deps, request, call),
      getRedrive: (request, call) => getRedrive(deps, request, call),
      listRedrives: (request, call) => listRedrivesRoute(deps, request, call),
      cancelRedrive: (request, call) => cancelRedrive(deps, request, call),
    }),
    rpcService(ReplayService, {
      startReplay: (request, call) => startReplay(deps, request, call),
      getReplay: (request, call) => getReplay(deps, request, call),
      listReplays: (request, call) => listReplaysRoute(deps, request, call),
      cancelReplay: (request, call) => cancelReplay(deps, request, call),
    }),
    rpcService(AuditService, { listAuditRecords: (request) => listAuditRecordsRoute(deps, request) }),
    rpcService(ClusterService, { listNodes: (_request, call) => listNodes(deps, call) }),
    rpcService(SystemService, { getSystem: () => getSystem(deps) }),
    rpcService(TokenService, {
      createToken: (request, call) => createToken(deps, request, call),
      listTokens: (request) => listTokensRoute(deps, request),
      revokeToken: (request, call) => revokeToken(deps, request, call),
    }),
    rpcService(AuthService, {
      getLoginMethods: () => getLoginMethods(deps),
      createSession: (request, call) => createSession(deps, request, call),
      deleteSession: (_request, call) => deleteSession(deps, call),
      getSelf: (_request, { caller }) => ({ self: selfOf(caller) }),
      changePassword: (request, call) => changePassword(deps, request, call),
    }),
    rpcService(UserService, {
      createUser: (request, call) => createUser(deps, request, call),
      getUser: (request) => getUser(deps, request),
      listUsers: (request) => listUsersRoute(deps, request),
      updateUser: (request, call) => updateUserRoute(deps, request, call),
      deleteUser: (request, call) => deleteUserRoute(deps, request, call),
    }),
  ];
}
