import { type AccessConfig, accessConfig, authenticator, openAccessNote } from './access/access.ts';
import { startAccess } from './access/start-access.ts';
import type { Bus } from './bus/bus.ts';
import type { KafkaConfig } from './bus/kafka/client.ts';
import { startKafkaClock } from './bus/kafka-clock.ts';
import { nodeFigures } from './bus/node-figures.ts';
import { reportNode } from './bus/node-reports.ts';
import { topicsOf } from './bus/topics.ts';
import { reachKafka } from './own-kafka.ts';
import { LOADERS, NODE_ROLES, ROLES, type Role, type RolePart, type RunningRole } from './role.ts';
import { metricsGate } from './rpc/metrics-token.ts';
import { startRpcServer } from './rpc/server.ts';
import { isCookieSecure } from './rpc/session-cookie.ts';
import { TlsFiles } from './rpc/tls-files.ts';
import { tlsPaths } from './rpc/tls-paths.ts';
import { WEB_DIST, WebUi } from './rpc/web-ui.ts';
import { type Clock, watchEventLoop } from './runtime/clock.ts';
import { type Logger, messageOf } from './runtime/logger.ts';
import { createMetrics } from './runtime/metrics.ts';
import { mqttWebSocketUrl } from './runtime/mqtt-websocket-url.ts';
import { NameResolver } from './runtime/name-resolver.ts';
import { Readiness, type ReadinessPart } from './runtime/readiness.ts';
import { followSecretKeys } from './runtime/secret-keys.ts';
import type { Settings } from './runtime/settings.ts';
import { Warnings } from './runtime/warnings.ts';

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
  /** How a Kafka of Penstock's own lets it in, which knows no TLS. Unset: as the settings say. */
  readonly kafkaLogin?: KafkaConfig['login'] | undefined;
}

/** A role on its way. */
interface Starting {
  readonly begun: Promise<RolePart>;
  readonly started: Promise<RunningRole>;
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
  const access = accessConfig(settings, logger);
  const openNote = openNoteOf(roles, access, settings.PENSTOCK_BIND_ADDRESS);
  if (openNote !== undefined) logger.info(openNote);
  const metrics = createMetrics();
  const paths = tlsPaths(settings);
  const tls = paths && stack.use(new TlsFiles(paths, { clock, logger, metrics }));
  const mayReadMetrics = metricsGate(settings, logger);
  const warnings = new Warnings();
  const resolver = new NameResolver({ servers: settings.PENSTOCK_DNS_SERVERS, clock });
  const own = { clock, logger, random: Math.random };
  const secretKeys = followSecretKeys(settings, logger);
  const bus = stack.use(await reachKafka(settings, { ...own, resolver, warnings }, kafkaLogin));
  const topics = topicsOf(settings.PENSTOCK_KAFKA_PREFIX, settings.PENSTOCK_DEAD_LETTERS_MAX_BYTES);
  const key = `${settings.TB_SERVICE_ID} ${clock.now()}`;
  const { earliest, latest } = stack.use(await startKafkaClock({ ...own, bus, topics, key }));
  const known = { ...own, bus, topics, metrics, warnings, resolver };
  const { grants, oidc, ways } = stack.use(await startAccess(access, known, signal));
  const deps = { ...known, secretKeys, grants, access, oidc, startTime: earliest.now() };
  const ending = new AbortController();
  const starting = AbortSignal.any([signal, ending.signal]);
  const start = (role: Role): Starting => {
    const { promise, resolve: begin } = Promise.withResolvers<RolePart>();
    // Messages are never older for who asks than for who took them in.
    const clock = role === 'executor' ? earliest : latest;
    const started = LOADERS[role]().then(({ startRole }) =>
      startRole(settings, { ...deps, clock, logger: logger.with({ role }), begun: begin }, starting),
    );
    const begun = Promise.race([promise, started]);
    begun.catch(() => {}); // whoever waits for it is told
    return { begun, started };
  };
  // The control plane makes the topics that the others wait for.
  const first = roles.filter((role) => role === 'control-plane').map(start);
  for (const { started } of first) stack.use(await started);
  const eventLoop = stack.use(watchEventLoop());
  let webSocketUrl = '';
  // From before what the roles report until after.
  stack.use(
    reportNode(await describe(roles, settings, deps.startTime), {
      ...deps,
      clock: latest,
      takeUses: grants && (() => grants.takeUses()),
      figures: () => nodeFigures({ metrics, eventLoop }),
      mqttWebSocketUrl: () => webSocketUrl,
    }),
  );
  const others = ROLES.filter((role) => role !== 'control-plane' && roles.includes(role)).map(start);
  stack.defer(() => stopAll(others));
  stack.defer(() => ending.abort(new Error('the process ends'))); // what still starts does not go on
  // Whoever asks is told what they still wait for.
  const parts = await Promise.all([...first, ...others].map(({ begun }) => begun));
  const readiness = stack.use(new Readiness(partsOf(parts, bus), deps));
  const sessions = parts.find((part) => part.sessions)?.sessions;
  const audit = parts.find((part) => part.audit)?.audit;
  const server = stack.use(
    await startRpcServer({
      services: parts.flatMap(({ services = [] }) => services),
      audit,
      webSockets: parts.flatMap(({ webSockets = [] }) => webSockets),
      pages: new Map(parts.flatMap(({ pages = [] }) => [...pages])),
      webUi: roles.includes('control-plane') ? webUiOf(settings, logger) : undefined,
      authenticate: authenticator(access, { ...ways, sessions }),
      host: settings.PENSTOCK_BIND_ADDRESS,
      grpcPort: settings.PENSTOCK_GRPC_PORT,
      httpPort: settings.PENSTOCK_HTTP_PORT,
      isCookieSecure: isCookieSecure(settings),
      httpHosts: settings.PENSTOCK_HTTP_HOSTS,
      corsOrigins: settings.PENSTOCK_HTTP_CORS_ORIGINS,
      mayReadMetrics,
      logger,
      metrics,
      clock,
      readiness,
      warnings,
      tls,
      limits: settings,
    }),
  );
  const { grpcAddress, httpAddress } = server;
  if (roles.includes('ingress')) webSocketUrl = mqttWebSocketUrl(settings, httpAddress);
  const running = await Promise.all(others.map(({ started }) => started));
  await readiness.look();
  const mqttAddress = running.find((role) => role.mqttAddress !== undefined)?.mqttAddress;
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

/**
 * What is to be said when these roles let in whoever asks; undefined: they do not.
 * @throws UserError when others than this machine could ask
 */
export const noLoginNote = (roles: readonly Role[], settings: Settings, logger: Logger) =>
  openNoteOf(roles, accessConfig(settings, logger), settings.PENSTOCK_BIND_ADDRESS);

/** An executor has no API. */
const openNoteOf = (roles: readonly Role[], access: AccessConfig, host: string): string | undefined =>
  roles.some((role) => role !== 'executor') ? openAccessNote(access, host) : undefined;

/** The web UI as it was built; undefined: it is not to be served, or it is not there. */
function webUiOf({ PENSTOCK_UI }: Settings, logger: Logger): WebUi | undefined {
  if (!PENSTOCK_UI) return undefined;
  try {
    return new WebUi(WEB_DIST);
  } catch (error) {
    logger.warn('there is no web UI: build it with npm run build:web', { why: messageOf(error) });
    return undefined;
  }
}

async function describe(roles: readonly Role[], settings: Settings, startTime: number) {
  const modules = await Promise.all(roles.map((role) => LOADERS[role]()));
  return {
    serviceId: settings.TB_SERVICE_ID,
    roles: roles.map((role) => NODE_ROLES[role]),
    types: modules.flatMap((module) => module.typesServed?.(settings) ?? []),
    startTime,
    deliveryDefaults: modules.find((module) => module.deliveryDefaults)?.deliveryDefaults?.(settings),
  };
}

/** Every role needs a Kafka that takes what it sends: messages, records, reports. */
function partsOf(roles: readonly RolePart[], bus: Bus): readonly ReadinessPart[] {
  const parts = roles.map(({ services = [], conditions = [] }) => ({
    services: services.map(({ service }) => service.typeName),
    conditions,
  }));
  const kafka = { name: 'kafka', patience: 0, trouble: () => bus.producerTrouble() };
  return [{ services: parts.flatMap(({ services }) => services), conditions: [kafka] }, ...parts];
}

/** Stops what has started, also what does so although another one has failed. */
async function stopAll(starting: readonly Starting[]): Promise<void> {
  const ends = await Promise.allSettled(starting.map(({ started }) => started));
  const running = ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []));
  await Promise.all(running.map((role) => role[Symbol.asyncDispose]()));
}
