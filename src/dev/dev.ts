import { join } from 'node:path';
import { noLoginNote, type PenstockProcess, startProcess } from '../process.ts';
import { ROLES } from '../role.ts';
import type { Clock } from '../runtime/clock.ts';
import { kafkaSecuritySet } from '../runtime/kafka-security-settings.ts';
import { createLogger } from '../runtime/logger.ts';
import { isGiven, type Settings } from '../runtime/settings.ts';
import { UserError } from '../runtime/user-error.ts';
import { lockDataDirectory } from './data-directory.ts';
import type { KafkaLogin } from './kafka-probe.ts';
import { startKafka } from './kafka-server.ts';
import { LogFile } from './log-file.ts';
import { startPostgres } from './postgres-server.ts';
import { requireFreePorts } from './required-ports.ts';
import { secretKeysFile } from './secret-keys-file.ts';

interface Deps {
  /** Writes a line for people. */
  say(line: string): void;
  readonly clock: Clock;
}

export interface Dev extends PenstockProcess {
  /** Resolves when the Kafka or the PostgreSQL ended by itself: nothing works without them. */
  readonly failed: Promise<Error>;
}

/**
 * The whole system in this process: a Kafka and a PostgreSQL as children, unless the settings name others, and the three
 * roles. Says what it does; resolves when all is up.
 */
export async function startDev(settings: Settings, deps: Deps, signal: AbortSignal): Promise<Dev> {
  const { say, clock } = deps;
  const dataDir = settings.PENSTOCK_DATA_DIR;
  requireKafkaOf(settings);
  await using stack = new AsyncDisposableStack();
  stack.use(await lockDataDirectory(dataDir, clock));
  await requireFreePorts(settings); // to be told after a minute that a port is taken helps nobody
  const log = stack.use(new LogFile(join(dataDir, 'penstock.log')));
  const logger = createLogger(settings.PENSTOCK_LOG_LEVEL, clock, (line) => log.write(line));
  const note = noLoginNote(ROLES, settings, logger);
  const begin = clock.monotonic();
  const { servers, kafkaLogin, failed } = await startServers(stack, settings, deps, signal);
  const own = { ...settings, ...servers, ...(await ownKeys(dataDir)) };
  say('starting control plane, ingress and executor');
  const running = stack.use(await startProcess(ROLES, own, { clock, logger, kafkaLogin }, signal));
  say(readyText(running, settings, log.path, clock.monotonic() - begin));
  if (note !== undefined) say(`\n${note}`);
  const started = stack.move();
  return { ...running, failed, [Symbol.asyncDispose]: () => started.disposeAsync() };
}

/** @throws UserError when settings say how to get into a Kafka, but not into which: Penstock's own one has its own ways */
function requireKafkaOf(settings: Settings): void {
  const [given] = kafkaSecuritySet(settings);
  if (given === undefined || isGiven('TB_KAFKA_SERVERS')) return;
  throw new UserError(`${given} belongs to a Kafka of TB_KAFKA_SERVERS: set that, too, or unset ${given}`);
}

/** The key for secrets in the data directory, unless settings name others. */
async function ownKeys(dataDir: string): Promise<Partial<Settings>> {
  if (isGiven('PENSTOCK_SECRET_KEYS') || isGiven('PENSTOCK_SECRET_KEYS_FILE')) return {};
  return { PENSTOCK_SECRET_KEYS_FILE: await secretKeysFile(dataDir) };
}

async function startServers(
  stack: AsyncDisposableStack,
  settings: Settings,
  { say, clock }: Deps,
  signal: AbortSignal,
): Promise<{
  servers: Partial<Settings>;
  kafkaLogin: KafkaLogin | undefined;
  failed: Promise<Error>;
}> {
  const options = { dataDir: settings.PENSTOCK_DATA_DIR, progress: say, clock, signal };
  const [kafka, postgres] = await Promise.allSettled([
    isGiven('TB_KAFKA_SERVERS') ? undefined : startKafka(options),
    isGiven('PENSTOCK_POSTGRES_URL') ? undefined : startPostgres(options),
  ]);
  // Also the one that started although the other failed is to be stopped.
  const started = [postgres, kafka].flatMap((end) =>
    end.status === 'fulfilled' && end.value ? [end.value] : [],
  );
  for (const server of started) stack.use(server);
  if (kafka.status === 'rejected') throw kafka.reason;
  if (postgres.status === 'rejected') throw postgres.reason;
  const servers = {
    ...(kafka.value ? { TB_KAFKA_SERVERS: [kafka.value.bootstrapServers] } : {}),
    ...(postgres.value ? { PENSTOCK_POSTGRES_URL: postgres.value.url } : {}),
  };
  const failed = Promise.race(started.map((server) => server.failed));
  return { servers, kafkaLogin: kafka.value?.login, failed };
}

function readyText(running: PenstockProcess, settings: Settings, logPath: string, ms: number): string {
  const { PENSTOCK_DATA_DIR: dataDir, PENSTOCK_TLS_CERT_FILE: cert } = settings;
  const [scheme, how] = cert === '' ? ['http', '-plaintext'] : ['https', '-cacert YOUR_AUTHORITY.pem'];
  const mqtt = new URL(`mqtt://${running.mqttAddress}`);
  const integration = JSON.stringify({
    integration: {
      name: 'to http',
      enabled: true,
      topic_filters: ['sensors/#'],
      http: { rest_endpoint_url: 'http://127.0.0.1:9999/in' },
    },
  });
  return `penstock is ready
  gRPC  ${running.grpcAddress}
  HTTP  ${scheme}://${running.httpAddress}
  MQTT  ${running.mqttAddress}
  data  ${dataDir}
  log   ${logPath}
  it took ${(ms / 1000).toFixed(1)} s; Ctrl-C stops everything

Try:
  grpcurl ${how} -d '${integration}' ${running.grpcAddress} penstock.v1.IntegrationService/CreateIntegration
  mosquitto_pub -h ${mqtt.hostname} -p ${mqtt.port} -t sensors/1 -q 1 -m '{"temperature": 25}'`;
}
