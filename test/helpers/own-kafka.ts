import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/dev/command.ts';
import type { Certificate } from './certificates.ts';
import { KafkaProcess, kafkaJava, newClusterId } from './kafka-process.ts';
import { steadyPorts } from './steady-ports.ts';

const SASL_MODULES = 'org.apache.kafka.common.security';

export interface Listener {
  readonly protocol: 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL';
  /** For TLS. */
  readonly certificate?: Certificate;
  /** Clients must show a certificate of this authority. */
  readonly clientAuthority?: string;
  /** The host that clients are told. Unset: 127.0.0.1. */
  readonly advertisedHost?: string;
  /** Stands before it: answers the port that clients are told. */
  readonly advertise?: (port: number) => Promise<number>;
}

export interface OwnKafkaOptions {
  readonly dataDir: string;
  /** By their names in capital letters, beside INTERNAL, which is open to the tests themselves. */
  readonly listeners: Readonly<Record<string, Listener>>;
  /** Let in by PLAIN and SCRAM, with these passwords. OAUTHBEARER lets in whoever an unsigned token names. */
  readonly users: Readonly<Record<string, string>>;
}

/** A Kafka of one node that can be killed, with listeners of every kind and an authorizer that allows what no ACL denies. */
export class OwnKafka implements AsyncDisposable {
  /** What clients connect to, by the listener's name. */
  readonly ports: Readonly<Record<string, number>>;
  readonly #internalPort: number;
  readonly #process: KafkaProcess;

  private constructor(process: KafkaProcess, internalPort: number, ports: Readonly<Record<string, number>>) {
    this.#process = process;
    this.#internalPort = internalPort;
    this.ports = ports;
  }

  static async start({ dataDir, listeners, users }: OwnKafkaOptions): Promise<OwnKafka> {
    const [internal = 0, controller = 0, ...own] = await steadyPorts(2 + Object.keys(listeners).length);
    const lines = [...base(dataDir, controller)];
    const bound = [`INTERNAL://127.0.0.1:${internal}`, `CONTROLLER://127.0.0.1:${controller}`];
    const advertised = [`INTERNAL://127.0.0.1:${internal}`];
    const ports: Record<string, number> = {};
    for (const [i, [name, listener]] of Object.entries(listeners).entries()) {
      const port = own[i]!;
      ports[name] = (await listener.advertise?.(port)) ?? port;
      bound.push(`${name}://127.0.0.1:${port}`);
      advertised.push(`${name}://${listener.advertisedHost ?? '127.0.0.1'}:${ports[name]}`);
      lines.push(...(await properties(dataDir, name, listener, users)));
    }
    const protocols = Object.entries(listeners).map(([name, { protocol }]) => `${name}:${protocol}`);
    lines.push(
      `listeners=${bound}`,
      `advertised.listeners=${advertised}`,
      `listener.security.protocol.map=${['INTERNAL:PLAINTEXT', 'CONTROLLER:PLAINTEXT', ...protocols]}`,
    );
    const file = join(dataDir, 'server.properties');
    await writeFile(file, escaped(`${lines.join('\n')}\n`));
    const java = await kafkaJava();
    await format(java, file, users);
    const files = { logFile: join(dataDir, 'kafka.log'), pidFile: join(dataDir, 'kafka.pid') };
    const kafka = new OwnKafka(
      new KafkaProcess(files, [...java, 'kafka.Kafka', file], internal),
      internal,
      ports,
    );
    await kafka.start();
    return kafka;
  }

  /** Where the tests themselves look. */
  get internal(): string {
    return `127.0.0.1:${this.#internalPort}`;
  }

  start(): Promise<void> {
    return this.#process.start();
  }

  /** Ends it in order; its data and its ports stay. */
  stop(): Promise<void> {
    return this.#process.stop();
  }

  /** SIGKILL; its data and its ports stay. */
  kill(): Promise<void> {
    return this.#process.kill();
  }

  /** It hangs, with its connections open; or goes on. */
  freeze(frozen: boolean): Promise<void> {
    return this.#process.freeze(frozen);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** Java reads properties as ISO-8859-1. */
const escaped = (text: string) =>
  text.replaceAll(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

async function format(
  [java, ...args]: readonly [string, ...string[]],
  file: string,
  users: Readonly<Record<string, string>>,
): Promise<void> {
  const scram = Object.entries(users).flatMap(([name, password]) =>
    [256, 512].flatMap((bits) => [
      '--add-scram',
      `SCRAM-SHA-${bits}=[name="${name}",password="${password}"]`,
    ]),
  );
  const id = `--cluster-id=${newClusterId()}`;
  const tool = ['kafka.tools.StorageTool', 'format', id, `--config=${file}`, ...scram];
  await run(java, [...args, ...tool], { timeoutMs: 60_000 });
}

const base = (dataDir: string, controllerPort: number): readonly string[] => [
  'process.roles=broker,controller',
  'node.id=1',
  `log.dirs=${join(dataDir, 'data')}`,
  'inter.broker.listener.name=INTERNAL',
  'controller.listener.names=CONTROLLER',
  `controller.quorum.voters=1@127.0.0.1:${controllerPort}`,
  'auto.create.topics.enable=false',
  'group.initial.rebalance.delay.ms=0',
  'offsets.topic.num.partitions=1',
  'offsets.topic.replication.factor=1',
  'transaction.state.log.num.partitions=1',
  'transaction.state.log.replication.factor=1',
  'transaction.state.log.min.isr=1',
  'broker.session.timeout.ms=4000',
  'broker.heartbeat.interval.ms=500',
  'authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'allow.everyone.if.no.acl.found=true',
  'super.users=User:ANONYMOUS',
  'log.cleaner.dedupe.buffer.size=16777216',
  'log.cleaner.backoff.ms=200',
];

async function properties(
  dataDir: string,
  name: string,
  { protocol, certificate, clientAuthority }: Listener,
  users: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const prefix = `listener.name.${name.toLowerCase()}`;
  const lines: string[] = [];
  if (certificate) {
    const file = join(dataDir, `${name}.pem`);
    await writeFile(file, `${certificate.key}${certificate.cert}`);
    lines.push(`${prefix}.ssl.keystore.type=PEM`, `${prefix}.ssl.keystore.location=${file}`);
  }
  if (clientAuthority) {
    const file = join(dataDir, `${name}-clients.pem`);
    await writeFile(file, clientAuthority);
    lines.push(`${prefix}.ssl.truststore.type=PEM`, `${prefix}.ssl.truststore.location=${file}`);
    lines.push(`${prefix}.ssl.client.auth=required`);
  }
  if (!protocol.startsWith('SASL')) return lines;
  const passwords = Object.entries(users).map(([user, password]) => `user_${user}="${password}"`);
  const modules = {
    plain: `plain.PlainLoginModule required ${passwords.join(' ')}`,
    'scram-sha-256': 'scram.ScramLoginModule required',
    'scram-sha-512': 'scram.ScramLoginModule required',
    oauthbearer: 'oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker"',
  };
  lines.push(`${prefix}.sasl.enabled.mechanisms=${Object.keys(modules).map((one) => one.toUpperCase())}`);
  for (const [mechanism, module] of Object.entries(modules)) {
    lines.push(`${prefix}.${mechanism}.sasl.jaas.config=${SASL_MODULES}.${module};`);
  }
  return lines;
}
