import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, realpath, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../runtime/clock.ts';
import { UserError } from '../runtime/user-error.ts';
import { ServerProcess, serverEnded, stopOrphan } from './child-process.ts';
import { CommandError, run } from './command.ts';
import { freePorts } from './free-port.ts';
import { ClassArchive, javaCommand, javaVersion } from './java.ts';
import { defaultKafkaCache, kafkaJars } from './kafka-distribution.ts';
import { clientProperties, listenerProperties, newLogin, writePrivately } from './kafka-login.ts';
import { clusterIdOf, type KafkaLogin } from './kafka-probe.ts';

const START_MS = 120_000;
const STOP = { signal: 'SIGTERM', graceMs: 15_000 } as const;
const PORT_TRIES = 5;
const LOG4J = new URL('./kafka/log4j2.properties', import.meta.url);

/** A running Kafka of one node on this machine. Disposing of it stops it and keeps its data. */
export interface KafkaServer extends AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly bootstrapServers: string;
  /** Whom it lets in; undefined: everybody. */
  readonly login: KafkaLogin | undefined;
  /** Resolves when it ends without having been asked to. */
  readonly failed: Promise<UserError>;
}

export interface KafkaOptions {
  /** Must be locked by the caller. */
  readonly dataDir: string;
  /** Where Kafka's own files are kept for all data directories; one of the user's home by default. */
  readonly cacheDir?: string;
  progress(line: string): void;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
  /** Lets every process of this machine in, without a login. Unset: those that can read the data directory. */
  readonly isOpen?: boolean;
  /** What the ports are taken from; they may be taken again before Kafka has them. */
  readonly findPorts?: (count: number) => Promise<readonly number[]>;
  /** Names the cluster of an empty data directory: 16 bytes in base64url. */
  readonly newClusterId?: () => string;
}

interface Files {
  readonly log: string;
  readonly pid: string;
  readonly properties: string;
  /** What clients need, for people and their tools. */
  readonly client: string;
  readonly data: string;
}

/**
 * Starts Kafka on a free port of 127.0.0.1, and answers when it takes requests.
 * @throws UserError when there is no Java or Maven, or Kafka does not start
 */
export async function startKafka(options: KafkaOptions): Promise<KafkaServer> {
  const { cacheDir = defaultKafkaCache(), clock, progress, signal } = options;
  await mkdir(options.dataDir, { recursive: true });
  await mkdir(join(options.dataDir, 'kafka'), { recursive: true, mode: 0o700 });
  const dataDir = await realpath(options.dataDir);
  const files = {
    log: join(dataDir, 'kafka.log'),
    pid: join(dataDir, 'kafka.pid'),
    properties: join(dataDir, 'kafka', 'server.properties'),
    client: join(dataDir, 'kafka', 'client.properties'),
    data: join(dataDir, 'kafka', 'data'),
  };
  const version = await javaVersion(signal);
  const jars = await kafkaJars(cacheDir, options);
  await stopOrphan(files.pid, files.properties, STOP, clock);
  const began = clock.monotonic();
  progress('starting Kafka…');
  if (!existsSync(files.data)) {
    const archive = await ClassArchive.in(cacheDir, version, jars, clock);
    const { newClusterId = randomClusterId } = options;
    await format(files, newClusterId(), javaCommand(jars, [log4j(), ...archive.readArgs]), signal);
  }
  for (let tries = 1; ; tries++) {
    const archive = await ClassArchive.in(cacheDir, version, jars, clock);
    const server = await startOnPorts(files, jars, archive, options);
    if (server !== undefined) {
      const howToEnter = server.login ? `; its login is in ${files.client}` : '';
      const time = seconds(clock.monotonic() - began);
      progress(`Kafka is ready on ${server.bootstrapServers} (${time})${howToEnter}`);
      return server;
    }
    if (tries === PORT_TRIES) throw new UserError('Kafka found no free port: start again');
  }
}

const randomClusterId = () => randomBytes(16).toString('base64url');

/** Makes the empty data directory, in one step as seen from outside. */
async function format(
  files: Files,
  clusterId: string,
  [java, ...args]: readonly [string, ...string[]],
  signal: AbortSignal | undefined,
): Promise<void> {
  const incoming = await mkdtemp(join(files.data, '..', 'format-'));
  try {
    await writePrivately(files.properties, properties(incoming, 1, 2, undefined));
    const tool = ['kafka.tools.StorageTool', 'format', '--ignore-formatted'];
    // With an equals sign: an id may begin with a hyphen, and would be taken for an option.
    await run(java, [...args, ...tool, `--cluster-id=${clusterId}`, `--config=${files.properties}`], {
      timeoutMs: START_MS,
      ...(signal ? { signal } : {}),
    });
    await rename(incoming, files.data);
  } catch (cause) {
    if (!(cause instanceof CommandError)) throw cause;
    throw new UserError(
      `Kafka could not make ${files.data} (${cause.reason}): see to it, or choose another directory with --data-dir`,
      { cause },
    );
  } finally {
    await rm(incoming, { recursive: true, force: true });
  }
}

/** Undefined when another process was faster to take a port. */
async function startOnPorts(
  files: Files,
  jars: readonly string[],
  archive: ClassArchive,
  options: KafkaOptions,
): Promise<KafkaServer | undefined> {
  const [port = 0, controllerPort = 0] = await (options.findPorts ?? freePorts)(2);
  const login = options.isOpen ? undefined : newLogin();
  await writePrivately(files.properties, properties(files.data, port, controllerPort, login));
  if (login) await writePrivately(files.client, clientProperties(login));
  const [command, ...args] = [
    ...javaCommand(jars, [log4j(), ...archive.args]),
    'kafka.Kafka',
    files.properties,
  ];
  const server = await ServerProcess.start(
    { command, args, logFile: files.log, pidFile: files.pid },
    options.clock,
    STOP,
  );
  try {
    await ready(server, port, login, files, options);
  } catch (error) {
    await server[Symbol.asyncDispose]();
    await archive.discard();
    if (/BindException|Address already in use/.test(await readFile(files.log, 'utf8'))) return undefined;
    throw error;
  }
  return {
    bootstrapServers: `127.0.0.1:${port}`,
    login,
    failed: server.failed.then((how) => serverEnded('Kafka', how, files.log)),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      // What a JVM that ended on SIGTERM exits with.
      await ((await server.exited) === 'exit code 143' ? archive.keep() : archive.discard());
    },
  };
}

async function ready(
  server: ServerProcess,
  port: number,
  login: KafkaLogin | undefined,
  files: Files,
  options: KafkaOptions,
): Promise<void> {
  const { clock, signal } = options;
  const end = clock.monotonic() + START_MS;
  const meta = await readFile(join(files.data, 'meta.properties'), 'utf8');
  const clusterId = /^cluster\.id=(.+)$/m.exec(meta)?.[1];
  while (server.running && clock.monotonic() < end) {
    const answering = await clusterIdOf(port, 1000, login).catch(() => undefined); // Not yet.
    if (answering !== undefined && answering === clusterId) return;
    await clock.sleep(50, signal);
  }
  const how = server.running ? `not ready within ${START_MS / 1000} s` : await server.exited;
  throw await serverEnded('Kafka', how, files.log);
}

function log4j(): string {
  return `-Dlog4j2.configurationFile=${fileURLToPath(LOG4J)}`;
}

function properties(
  data: string,
  port: number,
  controllerPort: number,
  login: KafkaLogin | undefined,
): string {
  return Object.entries({
    'process.roles': 'broker,controller',
    'node.id': 1,
    listeners: `BROKER://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `BROKER://127.0.0.1:${port}`,
    ...listenerProperties(login),
    'inter.broker.listener.name': 'BROKER',
    'controller.listener.names': 'CONTROLLER',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'log.dirs': data,
    'auto.create.topics.enable': false,
    'group.initial.rebalance.delay.ms': 0,
    'offsets.topic.num.partitions': 8,
    'offsets.topic.replication.factor': 1,
    'transaction.state.log.num.partitions': 4,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'log.cleaner.enable': true,
    'log.cleaner.backoff.ms': 2000,
    // The default of 128 MB is more than such a Kafka holds.
    'log.cleaner.dedupe.buffer.size': 16_777_216,
    // A broker that was killed can come back only when its session has ended.
    'broker.session.timeout.ms': 4000,
    'broker.heartbeat.interval.ms': 500,
  })
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
