import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { AuthService } from '../../gen/penstock/v1/auth_service_pb.ts';
import { ClusterService, NodeRole } from '../../gen/penstock/v1/cluster_service_pb.ts';
import { DeadLetterService } from '../../gen/penstock/v1/dead_letter_service_pb.ts';
import {
  type DownlinkRecord,
  DownlinkRecordSchema,
  type ValidationRequest,
  ValidationRequestSchema,
} from '../../gen/penstock/v1/downlink_pb.ts';
import { EventService } from '../../gen/penstock/v1/event_service_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { MessageLogService } from '../../gen/penstock/v1/message_log_service_pb.ts';
import { ReplayService } from '../../gen/penstock/v1/replay_service_pb.ts';
import { RevisionService } from '../../gen/penstock/v1/revision_service_pb.ts';
import { StatisticsService } from '../../gen/penstock/v1/statistics_service_pb.ts';
import { SystemService } from '../../gen/penstock/v1/system_service_pb.ts';
import { TokenService } from '../../gen/penstock/v1/token_service_pb.ts';
import { ValidationResponseSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import { UserService } from '../../gen/penstock/v1/user_service_pb.ts';
import { WatchService } from '../../gen/penstock/v1/watch_service_pb.ts';
import { type AccessConfig, authenticator } from '../../src/access/access.ts';
import { followGrants } from '../../src/access/grants.ts';
import type { Oidc } from '../../src/access/oidc.ts';
import type { Bus } from '../../src/bus/bus.ts';
import type { Topics } from '../../src/bus/topics.ts';
import { TYPES, type Type } from '../../src/contract/integration-type.ts';
import { type KeyRing, openSecrets } from '../../src/contract/sealed-secrets.ts';
import { violationsOf } from '../../src/contract/validate.ts';
import type { Passwords } from '../../src/control-plane/access/passwords.ts';
import type { ControlPlaneConfig } from '../../src/control-plane/config.ts';
import { startControlPlane } from '../../src/control-plane/control-plane.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { startRpcServer } from '../../src/rpc/server.ts';
import type { WebUi } from '../../src/rpc/web-ui.ts';
import { readSettings } from '../../src/runtime/settings.ts';
import { busForTests } from './bus.ts';
import { follow } from './follow.ts';
import { nodeForTests } from './nodes.ts';
import { databaseForTests } from './postgres.ts';
import { keyRing, TEST_KEY_ID } from './secret-keys.ts';
import { testDeps } from './test-deps.ts';

type Response = MessageInitShape<typeof ValidationResponseSchema>;

export const HTTP = {
  name: 'to http',
  enabled: true,
  topicFilters: ['sensors/#'],
  configuration: { case: 'http' as const, value: { restEndpointUrl: 'http://127.0.0.1:9999/in' } },
};

/** The same, with a secret. */
export const HTTP_WITH_SECRET = {
  ...HTTP,
  configuration: {
    case: 'http' as const,
    value: {
      restEndpointUrl: 'http://127.0.0.1:9999/in',
      credentials: {
        credentials: { case: 'basic' as const, value: { username: 'me', password: 'hunter2' } },
      },
    },
  },
};

export const CONFIG = {
  serviceId: 'cp',
  checkTimeout: 4000,
  limits: readSettings({}, {}),
  topicDeletionDelay: 100,
  auditTtl: 86_400_000,
  statisticsInterval: 10_000,
  eventsTtl: 86_400_000,
  statisticsTtl: 30 * 86_400_000,
  deadLetterCountInterval: 30_000,
  cleanupPeriod: 10_800_000,
  cleanupTtl: 604_800_000,
  orphanDelay: 600_000,
  sessionTimes: { idle: 1_800_000, lifetime: 43_200_000 },
  isCookieSecure: false,
  checkRate: { atOnce: 1000, perMinute: 1000 },
};

/** Who is let in. Unset: whoever asks. */
interface Who {
  readonly access?: AccessConfig;
  readonly passwords?: Passwords;
  readonly oidc?: Oidc;
  /** Unset: there is none. */
  readonly webUi?: WebUi;
}

/**
 * A control plane on a real PostgreSQL and a real Kafka, served over gRPC, with clients for it. A second node shares the
 * first one's `kafka` and PostgreSQL.
 */
export async function controlPlaneForTests(
  t: TestContext,
  config: Partial<ControlPlaneConfig> & Who = {},
  kafka?: { readonly bus: Bus; readonly topics: Topics },
  secretKeys?: () => KeyRing,
) {
  const stack = new AsyncDisposableStack();
  t.after(() => stack.disposeAsync()); // before the servers it uses go
  const { bus, topics } = kafka ?? (await busForTests(t));
  const postgresUrl = config.postgresUrl ?? (await databaseForTests(t));
  const own = { ...testDeps(), bus, topics, ...(secretKeys && { secretKeys }) };
  const { access, passwords, oidc, webUi } = config;
  const grants = access && stack.use(await followGrants(own, AbortSignal.timeout(60_000))).grants;
  const all = { ...CONFIG, postgresUrl, ...config };
  const parts = { ...own, grants, access, oidc, ...(passwords && { passwords }) };
  const controlPlane = stack.use(await startControlPlane(all, parts));
  const { sessions, services, audit, pages } = controlPlane;
  const authenticate = access
    ? authenticator(access, { ...access, grants, sessions, oidcTokens: oidc?.tokens })
    : own.authenticate;
  const deps = { ...own, grants, authenticate };
  const { serviceId } = all;
  stack.use(nodeForTests(t, deps, { serviceId, roles: [NodeRole.CONTROL_PLANE], types: [] }));
  const ports = { host: '127.0.0.1', grpcPort: 0, httpPort: 0 };
  const server = stack.use(await startRpcServer({ ...deps, ...ports, services, audit, pages, webUi }));
  const client = stack.use(createClient(IntegrationService, server.grpcAddress));
  const events = stack.use(createClient(EventService, server.grpcAddress));
  const deadLetters = stack.use(createClient(DeadLetterService, server.grpcAddress));
  const messageLog = stack.use(createClient(MessageLogService, server.grpcAddress));
  const replays = stack.use(createClient(ReplayService, server.grpcAddress));
  const cluster = stack.use(createClient(ClusterService, server.grpcAddress));
  const system = stack.use(createClient(SystemService, server.grpcAddress));
  const revisions = stack.use(createClient(RevisionService, server.grpcAddress));
  const statistics = stack.use(createClient(StatisticsService, server.grpcAddress));
  const tokens = stack.use(createClient(TokenService, server.grpcAddress));
  const auth = stack.use(createClient(AuthService, server.grpcAddress));
  const users = stack.use(createClient(UserService, server.grpcAddress));
  const watch = stack.use(createClient(WatchService, server.grpcAddress));
  const clients = {
    client,
    events,
    deadLetters,
    messageLog,
    replays,
    cluster,
    system,
    tokens,
    auth,
    users,
    revisions,
    watch,
    statistics,
  };
  return { ...deps, ...clients, postgresUrl, server, stop: () => stack.disposeAsync() };
}

/** Answers validation requests as an executor does: with what `answer` makes of them, which tests may replace. */
export async function executorForTests(t: TestContext, { bus, topics }: { bus: Bus; topics: Topics }) {
  const executor = {
    /** The requests so far, their secrets opened. */
    asked: [] as ValidationRequest[],
    /** Undefined: no answer. */
    answer: (_request: ValidationRequest): Response | undefined => ({ reachable: true }),
  };
  const asked = TYPES.map((type) => topics.validation(type).name);
  const followed = await follow(bus, asked, ({ value }) => {
    const request = fromBinary(ValidationRequestSchema, Uint8Array.from(value!));
    assert.deepEqual(violationsOf(ValidationRequestSchema, request), []);
    request.integration = opened(request);
    executor.asked.push(request);
    const given = executor.answer(request);
    if (given === undefined) return;
    const { requestId, replyTopic } = request;
    const response = create(ValidationResponseSchema, { serviceId: 'executor', ...given, requestId });
    void bus.send(replyTopic, { key: requestId, value: toBinary(ValidationResponseSchema, response) });
  });
  t.after(() => followed[Symbol.dispose]());
  return executor;
}

/**
 * What is on the downlink topic of a type: each key's records in order, their secrets opened, null for a tombstone; what
 * announces it is left out.
 */
export async function downlinkForTests(
  t: TestContext,
  { bus, topics }: { bus: Bus; topics: Topics },
  type: Type = 'http',
) {
  const records = new Map<string, (DownlinkRecord | null)[]>();
  const followed = await follow(bus, [topics.downlink(type).name], ({ key, value }) => {
    const record = value && fromBinary(DownlinkRecordSchema, Uint8Array.from(value));
    if (record?.gone) return;
    if (record) record.integration = opened(record);
    records.set(key!, [...(records.get(key!) ?? []), record]);
  });
  t.after(() => followed[Symbol.dispose]());
  /** The generations sent under a key so far, 0 for a tombstone. */
  const generations = (key: string) =>
    (records.get(key) ?? []).map((record) => Number(record?.integration?.generation ?? 0n));
  return { records, generations };
}

const opened = ({ integration, sealed }: Pick<DownlinkRecord, 'integration' | 'sealed'>) =>
  openSecrets({ integration: integration!, sealed }, keyRing(TEST_KEY_ID)).integration;
