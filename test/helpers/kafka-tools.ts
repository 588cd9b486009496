import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from '../../src/dev/command.ts';
import { javaCommand } from '../../src/dev/java.ts';
import { defaultKafkaCache, kafkaJars } from '../../src/dev/kafka-distribution.ts';
import { systemClock } from '../../src/runtime/clock.ts';

const COPY = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy';
const TIMEOUT = 90_000;

/** What Kafka's own console consumer finds in the topics of this pattern: a line a record, by these properties. */
export function consoleConsumer(
  bootstrapServer: string,
  topics: string,
  records: number,
  properties: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const shown = Object.entries(properties).flatMap(([name, value]) => [
    '--formatter-property',
    `${name}=${value}`,
  ]);
  const which = ['--bootstrap-server', bootstrapServer, '--include', topics, '--from-beginning'];
  const until = ['--max-messages', String(records), '--timeout-ms', '30000'];
  return tool('org.apache.kafka.tools.consumer.ConsoleConsumer', [...which, ...until, ...shown], '');
}

/** Lets Kafka's own console producer send records, each a line of a key, a tab and a value. */
export async function consoleProducer(
  bootstrapServer: string,
  topic: string,
  lines: readonly string[],
): Promise<void> {
  const which = ['--bootstrap-server', bootstrapServer, '--topic', topic];
  const reader = ['--reader-property', 'parse.key=true', '--reader-property', 'key.separator=\t'];
  await tool('org.apache.kafka.tools.ConsoleProducer', [...which, ...reader], `${lines.join('\n')}\n`);
}

/** The command of a tool, by the name of its Java class. */
export async function toolCommand(name: string): Promise<readonly [string, ...string[]]> {
  const jars = await kafkaJars(defaultKafkaCache(), { progress: () => {}, clock: systemClock });
  return [...javaCommand([...jars, await toolsJar(jars)], []), name];
}

async function tool(name: string, args: readonly string[], input: string): Promise<readonly string[]> {
  const [java, ...flags] = await toolCommand(name);
  const printed = await new Promise<string>((resolve, reject) => {
    const env = { ...process.env, LC_ALL: 'C.UTF-8' }; // Java reads and prints in the locale's character set
    const options = { env, timeout: TIMEOUT, killSignal: 'SIGKILL', maxBuffer: 67_108_864 } as const;
    const child = execFile(java, [...flags, ...args], options, (error, stdout, stderr) =>
      error ? reject(new Error(`${name}: ${stderr || error.message}`)) : resolve(stdout),
    );
    child.stdin?.end(input);
  });
  return printed.split('\n').filter((line) => line !== '');
}

/** The jar with Kafka's command-line tools, which Maven fetches once: the server does without. */
async function toolsJar(jars: readonly string[]): Promise<string> {
  const version = /kafka-clients-(.+)\.jar$/.exec(
    jars.find((jar) => jar.includes('kafka-clients')) ?? '',
  )?.[1];
  const directory = `${defaultKafkaCache()}-tools`;
  const jar = join(directory, `kafka-tools-${version}.jar`);
  if (existsSync(jar)) return jar;
  await mkdir(dirname(directory), { recursive: true });
  const incoming = await mkdtemp(`${directory}.`);
  try {
    const artifact = `-Dartifact=org.apache.kafka:kafka-tools:${version}`;
    await run('mvn', ['-B', '-q', COPY, artifact, `-DoutputDirectory=${incoming}`], { timeoutMs: 300_000 });
    await rename(incoming, directory).catch(() => {}); // another process was faster
  } finally {
    await rm(incoming, { recursive: true, force: true });
  }
  return jar;
}
