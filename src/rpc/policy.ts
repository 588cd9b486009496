import type { DescMethod, DescService } from '@bufbuild/protobuf';
import { Health } from '../../gen/grpc/health/v1/health_pb.ts';
import { ServerReflection } from '../../gen/grpc/reflection/v1/reflection_pb.ts';
import { ServerReflection as ServerReflectionAlpha } from '../../gen/grpc/reflection/v1alpha/reflection_pb.ts';
import { Role } from '../../gen/penstock/v1/access_pb.ts';
import { AuditService } from '../../gen/penstock/v1/audit_service_pb.ts';
import { AuthService } from '../../gen/penstock/v1/auth_service_pb.ts';
import { ClusterService } from '../../gen/penstock/v1/cluster_service_pb.ts';
import { DeadLetterService } from '../../gen/penstock/v1/dead_letter_service_pb.ts';
import { EventService } from '../../gen/penstock/v1/event_service_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { MessageLogService } from '../../gen/penstock/v1/message_log_service_pb.ts';
import { MessageService } from '../../gen/penstock/v1/message_service_pb.ts';
import { ReplayService } from '../../gen/penstock/v1/replay_service_pb.ts';
import { RevisionService } from '../../gen/penstock/v1/revision_service_pb.ts';
import { StatisticsService } from '../../gen/penstock/v1/statistics_service_pb.ts';
import { SystemService } from '../../gen/penstock/v1/system_service_pb.ts';
import { TokenService } from '../../gen/penstock/v1/token_service_pb.ts';
import { UserService } from '../../gen/penstock/v1/user_service_pb.ts';
import { WatchService } from '../../gen/penstock/v1/watch_service_pb.ts';

/** Who may call an RPC. */
export interface Rule {
  /** Who has this role, or one that may more. Unset: whoever asks. */
  readonly role?: Role;
  /** It concerns no single integration: a caller with a scope may not call it. */
  readonly isWhole?: boolean;
}

const anybody: Rule = {};
const viewer: Rule = { role: Role.VIEWER };
const operator: Rule = { role: Role.OPERATOR };
const editor: Rule = { role: Role.EDITOR };
const admin: Rule = { role: Role.ADMIN, isWhole: true };
const wholeOperator: Rule = { role: Role.OPERATOR, isWhole: true };

/** Every RPC of a service: one that is missing does not compile. */
function rules<S extends DescService>(
  service: S,
  ofMethods: { readonly [M in keyof S['method']]: Rule },
): readonly [DescMethod, Rule][] {
  const byName: Readonly<Record<string, Rule>> = ofMethods;
  return service.methods.map((method) => [method, byName[method.localName]!]);
}

/** The one table of who may call what. */
export const POLICY: ReadonlyMap<DescMethod, Rule> = new Map([
  ...rules(IntegrationService, {
    createIntegration: editor,
    getIntegration: viewer,
    listIntegrations: viewer,
    updateIntegration: editor,
    deleteIntegration: editor,
    enableIntegration: operator,
    disableIntegration: operator,
    restartIntegration: operator,
    // These two with a configuration that is not saved: an editor.
    checkConnection: operator,
    tryDelivery: operator,
    watchIntegrations: viewer,
  }),
  ...rules(RevisionService, { listRevisions: viewer, getRevision: viewer }),
  ...rules(EventService, { listEvents: viewer, watchEvents: viewer }),
  ...rules(WatchService, { watch: viewer }),
  ...rules(StatisticsService, { queryStatistics: viewer, listFigures: viewer }),
  ...rules(MessageLogService, { listMessages: viewer, getMessage: viewer, watchMessages: viewer }),
  ...rules(DeadLetterService, {
    listDeadLetters: viewer,
    redriveDeadLetters: operator,
    startRedrive: operator,
    getRedrive: viewer,
    listRedrives: viewer,
    cancelRedrive: operator,
    purgeDeadLetters: editor,
  }),
  ...rules(ReplayService, {
    startReplay: operator,
    getReplay: viewer,
    listReplays: viewer,
    cancelReplay: operator,
  }),
  ...rules(ClusterService, { listNodes: viewer }),
  ...rules(SystemService, { getSystem: viewer }),
  ...rules(MessageService, { publishMessage: wholeOperator }),
  ...rules(AuthService, {
    getLoginMethods: anybody,
    createSession: anybody,
    deleteSession: viewer,
    getSelf: viewer,
    changePassword: viewer,
  }),
  ...rules(TokenService, { createToken: admin, listTokens: admin, revokeToken: admin }),
  ...rules(UserService, {
    createUser: admin,
    getUser: admin,
    listUsers: admin,
    updateUser: admin,
    deleteUser: admin,
  }),
  ...rules(AuditService, { listAuditRecords: admin }),
  ...rules(Health, { check: anybody, list: anybody, watch: anybody }),
  ...rules(ServerReflection, { serverReflectionInfo: viewer }),
  ...rules(ServerReflectionAlpha, { serverReflectionInfo: viewer }),
]);

/** @throws Error for an RPC that the table does not name: then the server does not start */
export function ruleOf(method: DescMethod): Rule {
  const rule = POLICY.get(method);
  if (rule !== undefined) return rule;
  throw new Error(
    `${method.parent.typeName}/${method.name} is not in the table of src/rpc/policy.ts: add it`,
  );
}
