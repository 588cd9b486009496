import { NodeRole } from '../gen/penstock/v1/cluster_service_pb.ts';
import type { IntegrationType } from '../gen/penstock/v1/integration_pb.ts';
import type { Bus } from './bus/bus.ts';
import type { KafkaLogin } from './bus/kafka/client.ts';
import { createKafkaBus } from './bus/kafka-bus.ts';
import { startKafkaClock } from './bus/kafka-clock.ts';
import { reportNode } from './bus/node-reports.ts';
import { type Topics, topicsOf } from './bus/topics.ts';
import { startRpcServer } from './rpc/server.ts';
import type { RpcService } from './rpc/service.ts';
import type { Clock } from './runtime/clock.ts';
import type { Logger } from './runtime/logger.ts';
import { createMetrics, type Metrics } from './runtime/metrics.ts';
import { NameResolver } from './runtime/name-resolver.ts';
import { type Condition, Readiness, type ReadinessPart } from './runtime/readiness.ts';
import type { Settings } from './runtime/settings.ts';
import { UserError } from './runtime/user-error.ts';
import { Warnings } from './runtime/warnings.ts';

export const ROLES = ['control-plane', 'executor', 'ingress'] as const;
export type Role = (typeof ROLES)[number];

interface RoleDeps {
  readonly bus: Bus;
  readonly topics: Topics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly warnings: Warnings;
  readonly resolver: NameResolver;
  /** When this process was started; wall-clock time in milliseconds. */
  readonly startTime: number;
  random(): number;
}

interface RunningRole extends AsyncDisposable {
  readonly services?: readonly RpcService[];
  /** What it needs, beside a Kafka that takes records. */
  readonly conditions?: readonly Condition[];
  readonly mqttAddress?: string;
}

type StartRole = (settings: Settings, deps: RoleDeps, signal: AbortSignal) => Promise<RunningRole>;

interface RoleModule {
  readonly startRole: StartRole;
  /** The types of integrations that the role serves. */
  typesServed?(settings: Settings): readonly IntegrationType[];
}

/** Loaded when it is wanted: an executor needs no PostgreSQL client. */
const LOADERS: { readonly [R in Role]: () => Promise<RoleModule> } = {
  'control-plane': () => import('./control-plane/main.ts'),
  executor: () => import('./executor/main.ts'),
  ingress: () => import('./ingress/main.ts'),
};

const NODE_ROLES: { readonly [R in Role]: NodeRole } = {
  'control-plane': NodeRole.CONTROL_PLANE,
  executor: NodeRole.EXECUTOR,
  ingress: NodeRole.INGRESS,
};

/** A process with the roles it runs. Addresses are `host:port`. */
export interface PenstockProcess extends AsyncDisposable {
  readonly grpcAddress: string;
  readonly httpAddress: string;
  /** Where the ingress listens, if it is one of the roles. */
  readonly mqttAddress: string | undefined;
}

interface ProcessDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** How the Kafka of TB_KAFKA_SERVERS lets it in. Unset: without more ado. */
  readonly kafkaLogin?: KafkaLogin | undefined;
}

/**
 * Starts roles in this process, on one bus and behind one gRPC and one HTTP port. Disposing stops them, and then what they
 * rest on.
 */
export async function startProcess(
  roles: readonly Role[],
  settings: Settings,
  { clock, logger, kafkaLogin }: ProcessDeps,
  signal: AbortSignal,
): Promise<PenstockProcess> {
  await using stack = new AsyncDisposableStack();
  const metrics = createMetrics();
  const warnings = new Warnings();
  const resolver = new NameResolver({ servers: settings.PENSTOCK_DNS_SERVERS, clock });
  const own = { clock, logger, random: Math.random };
  const brokers = settings.TB_KAFKA_SERVERS;
  const clientId = `penstock-${settings.TB_SERVICE_ID}`;
  const bus = stack.use(
    createKafkaBus(
      {
        brokers,
        clientId,
        replication: settings.PENSTOCK_KAFKA_REPLICATION,
        minInsyncReplicas: settings.PENSTOCK_KAFKA_MIN_INSYNC_REPLICAS,
        fetchWait: settings.TB_IE_MSG_POLL_INTERVAL,
        ...(kafkaLogin && { login: kafkaLogin }),
      },
      { ...own, resolver },
    ),
  );
  await reachKafka(bus, brokers);
  const topics = topicsOf(settings.PENSTOCK_KAFKA_PREFIX, settings.PENSTOCK_DEAD_LETTERS_MAX_BYTES);
  const key = `${settings.TB_SERVICE_ID} ${clock.now()}`;
  const { earliest, latest } = stack.use(await startKafkaClock({ ...own, bus, topics, key }));
  const deps = { ...own, bus, topics, metrics, warnings, resolver, startTime: earliest.now() };
  const start = async (role: Role): Promise<RunningRole | undefined> => {
    if (!roles.includes(role)) return undefined;
    const { startRole } = await LOADERS[role]();
    // Messages are never older for who asks than for who took them in.
    const clock = role === 'executor' ? earliest : latest;
    return startRole(settings, { ...deps, clock, logger: logger.with({ role }) }, signal);
  };
  // The control plane makes the topics that the others wait for.
  const controlPlane = await start('control-plane');
  if (controlPlane) stack.use(controlPlane);
  // From before what the roles report until after.
  stack.use(reportNode(await describe(roles, settings, deps.startTime), { ...deps, clock: latest }));
  const [executor, ingress] = await together(stack, [start('executor'), start('ingress')]);
  const running = [controlPlane, executor, ingress].filter((role) => role !== undefined);
  const readiness = stack.use(new Readiness(partsOf(running, bus), deps));
  const server = stack.use(
    await startRpcServer({
      services: running.flatMap(({ services = [] }) => services),
      host: settings.PENSTOCK_BIND_ADDRESS,
      grpcPort: settings.PENSTOCK_GRPC_PORT,
      httpPort: settings.PENSTOCK_HTTP_PORT,
      httpHosts: settings.PENSTOCK_HTTP_HOSTS,
      logger,
      metrics,
      clock,
      readiness,
      warnings,
    }),
  );
  const { grpcAddress, httpAddress } = server;
  const mqttAddress = ingress?.mqttAddress;
  logger.info('penstock is ready', {
    roles: roles.join(),
    grpcAddress,
    httpAddress,
    ...(mqttAddress === undefined ? {} : { mqttAddress }),
  });
  const started = stack.move();
  return {
    grpcAddress,
    httpAddress,
    mqttAddress,
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

async function describe(roles: readonly Role[], settings: Settings, startTime: number) {
  const modules = await Promise.all(roles.map((role) => LOADERS[role]()));
  return {
    serviceId: settings.TB_SERVICE_ID,
    roles: roles.map((role) => NODE_ROLES[role]),
    types: modules.flatMap((module) => module.typesServed?.(settings) ?? []),
    startTime,
  };
}

/** Every role needs a Kafka that takes what it sends: messages, records, reports. */
function partsOf(roles: readonly RunningRole[], bus: Bus): readonly ReadinessPart[] {
  const parts = roles.map(({ services = [], conditions = [] }) => ({
    services: services.map(({ service }) => service.typeName),
    conditions,
  }));
  const kafka = { name: 'kafka', patience: 0, trouble: () => bus.producerTrouble() };
  return [{ services: parts.flatMap(({ services }) => services), conditions: [kafka] }, ...parts];
}

async function reachKafka(bus: Bus, brokers: readonly string[]): Promise<void> {
  try {
    await bus.listTopics();
  } catch (error) {
    const message = `cannot reach Kafka at ${brokers.join()}: start it, or set TB_KAFKA_SERVERS`;
    throw new UserError(message, { cause: error });
  }
}

/** Waits for all, and leaves to the stack also what starts although another one fails. */
async function together(
  stack: AsyncDisposableStack,
  starts: readonly Promise<RunningRole | undefined>[],
): Promise<readonly (RunningRole | undefined)[]> {
  const ends = await Promise.allSettled(starts);
  const started = ends.flatMap((end) => (end.status === 'fulfilled' && end.value ? [end.value] : []));
  stack.defer(async () => {
    await Promise.all(started.map((role) => role[Symbol.asyncDispose]()));
  });
  return ends.map((end) => {
    if (end.status === 'rejected') throw end.reason;
    return end.value;
  });
}
