import type { MessageInitShape } from '@bufbuild/protobuf';
import { NodeRole } from '../gen/penstock/v1/cluster_service_pb.ts';
import type { DeliveryPolicySchema } from '../gen/penstock/v1/delivery_pb.ts';
import type { IntegrationType } from '../gen/penstock/v1/integration_pb.ts';
import type { AccessConfig, SessionCaller } from './access/access.ts';
import type { Grants } from './access/grants.ts';
import type { Oidc } from './access/oidc.ts';
import type { Bus } from './bus/bus.ts';
import type { Topics } from './bus/topics.ts';
import type { Pages } from './rpc/pages.ts';
import type { RpcService } from './rpc/service.ts';
import type { WebSocketService } from './rpc/web-socket/handshake.ts';
import type { Clock } from './runtime/clock.ts';
import type { Logger } from './runtime/logger.ts';
import type { Metrics } from './runtime/metrics.ts';
import type { NameResolver } from './runtime/name-resolver.ts';
import type { Condition } from './runtime/readiness.ts';
import type { followSecretKeys } from './runtime/secret-keys.ts';
import type { Settings } from './runtime/settings.ts';
import type { Warnings } from './runtime/warnings.ts';

export const ROLES = ['control-plane', 'executor', 'ingress'] as const;
export type Role = (typeof ROLES)[number];

export interface RolePart {
  readonly services?: readonly RpcService[];
  /** What it needs, beside a Kafka that takes records. */
  readonly conditions?: readonly Condition[];
  /** Put around what checks callers and requests. */
  readonly audit?: (service: RpcService) => RpcService;
  /** On the HTTP port, for whoever asks. */
  readonly pages?: Pages;
  /** On the HTTP port, for whoever may call. */
  readonly webSockets?: readonly WebSocketService[];
  /** Whose sessions of browsers there are. */
  readonly sessions?: SessionCaller;
}

interface RoleDeps {
  readonly bus: Bus;
  readonly topics: Topics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly warnings: Warnings;
  readonly resolver: NameResolver;
  /** The API tokens that callers are let in by. Unset: no login is needed. */
  readonly grants: Grants | undefined;
  /** The keys of integrations' secrets, as they are now. */
  secretKeys(): ReturnType<ReturnType<typeof followSecretKeys>>;
  readonly access: AccessConfig;
  /** The OpenID Connect provider that callers are known to. Unset: there is none. */
  readonly oidc: Oidc | undefined;
  /** When this process was started; wall-clock time in milliseconds. */
  readonly startTime: number;
  random(): number;
  /** Takes what is served and looked at from then on, which may be long before the role has started. */
  begun(part: RolePart): void;
}

export interface RunningRole extends RolePart, AsyncDisposable {
  readonly mqttAddress?: string;
}

type StartRole = (settings: Settings, deps: RoleDeps, signal: AbortSignal) => Promise<RunningRole>;

interface RoleModule {
  readonly startRole: StartRole;
  /** The types of integrations that the role serves. */
  typesServed?(settings: Settings): readonly IntegrationType[];
  /** What it does where an integration's delivery policy leaves it open. */
  deliveryDefaults?(settings: Settings): MessageInitShape<typeof DeliveryPolicySchema>;
}

/** Loaded when it is wanted: an executor needs no PostgreSQL client. */
export const LOADERS: { readonly [R in Role]: () => Promise<RoleModule> } = {
  'control-plane': () => import('./control-plane/main.ts'),
  executor: () => import('./executor/main.ts'),
  ingress: () => import('./ingress/main.ts'),
};

export const NODE_ROLES: { readonly [R in Role]: NodeRole } = {
  'control-plane': NodeRole.CONTROL_PLANE,
  executor: NodeRole.EXECUTOR,
  ingress: NodeRole.INGRESS,
};
