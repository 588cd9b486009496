import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type ServerCommand, ServerProcess, serverEnded } from '../../src/dev/child-process.ts';
import { ClassArchive, javaCommand, javaVersion } from '../../src/dev/java.ts';
import { defaultKafkaCache, kafkaJars } from '../../src/dev/kafka-distribution.ts';
import { clusterIdOf } from '../../src/dev/kafka-probe.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { waitUntil } from './wait-until.ts';

const LOG4J = fileURLToPath(new URL('../../src/dev/kafka/log4j2.properties', import.meta.url));
const STOP = { signal: 'SIGTERM', graceMs: 15_000 } as const;

/** The program of a Kafka and its arguments, up to the main class. */
export async function kafkaJava(...flags: readonly string[]): Promise<readonly [string, ...string[]]> {
  const cache = defaultKafkaCache();
  const jars = await kafkaJars(cache, { progress: () => {}, clock: systemClock });
  const archive = await ClassArchive.in(cache, await javaVersion(), jars, systemClock);
  return javaCommand(jars, [`-Dlog4j2.configurationFile=${LOG4J}`, ...archive.readArgs, ...flags]);
}

/** For `StorageTool format`. */
export const newClusterId = (): string => randomBytes(16).toString('base64url');

type Files = Pick<ServerCommand, 'logFile' | 'pidFile'>;

/** One node of Kafka, which can be ended in every way and started again: its data and its ports stay. */
export class KafkaProcess {
  readonly #files: Files;
  readonly #command: readonly [string, ...string[]];
  readonly #port: number;
  #server: ServerProcess | undefined;

  /**
   * @param command starts it
   * @param port of 127.0.0.1, where it answers when it is ready
   */
  constructor(files: Files, command: readonly [string, ...string[]], port: number) {
    this.#files = files;
    this.#command = command;
    this.#port = port;
  }

  get isRunning(): boolean {
    return this.#server?.running ?? false;
  }

  async start(): Promise<void> {
    const [command, ...args] = this.#command;
    const server = await ServerProcess.start({ command, args, ...this.#files }, systemClock, STOP);
    this.#server = server;
    await waitUntil(
      'Kafka answers',
      async () => {
        if (!server.running) throw await serverEnded('Kafka', await server.exited, this.#files.logFile);
        return (await clusterIdOf(this.#port, 1000).catch(() => '')) !== '';
      },
      60_000,
    );
  }

  /** Ends it in order. */
  async stop(): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
  }

  /** Waits until it has ended by itself. */
  async ended(): Promise<void> {
    await this.#server?.exited;
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    process.kill(await this.#pid(), 'SIGKILL');
    await this.ended();
  }

  /** It hangs, with its connections open; or goes on. */
  async freeze(frozen: boolean): Promise<void> {
    process.kill(await this.#pid(), frozen ? 'SIGSTOP' : 'SIGCONT');
  }

  async #pid(): Promise<number> {
    return Number(await readFile(this.#files.pidFile, 'utf8'));
  }
}
