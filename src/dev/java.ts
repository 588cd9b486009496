import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../runtime/clock.ts';
import { UserError } from '../runtime/user-error.ts';
import { CommandError, run } from './command.ts';

const LEAST_VERSION = 17;
const DAY_MS = 86_400_000;
const FLAGS = ['-Xmx1g', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-XX:+ExitOnOutOfMemoryError'];

/** What the user has set for other Java programs must not reach this one. */
const WITHOUT = ['CLASSPATH', 'JAVA_TOOL_OPTIONS', 'JDK_JAVA_OPTIONS'];

/**
 * What `java -version` prints.
 * @throws UserError when there is no Java, or too old a one
 */
export async function javaVersion(signal?: AbortSignal): Promise<string> {
  const waysOut =
    'install it (Debian: apt-get install default-jre-headless), or point TB_KAFKA_SERVERS at a Kafka';
  const printed = await run('java', ['-version'], { timeoutMs: 30_000, ...(signal ? { signal } : {}) }).catch(
    (cause: unknown) => {
      if (!(cause instanceof CommandError)) throw cause;
      throw new UserError(`there is no working Java, which Kafka needs: ${waysOut}`, { cause });
    },
  );
  const version = Number(/version "(\d+)/.exec(printed)?.[1]);
  if (version < LEAST_VERSION) {
    throw new UserError(`Java ${version} is too old for Kafka, which needs ${LEAST_VERSION}: ${waysOut}`);
  }
  return printed;
}

/** The program and its arguments, up to the main class. */
export function javaCommand(jars: readonly string[], flags: readonly string[]): [string, ...string[]] {
  const without = WITHOUT.flatMap((name) => ['-u', name]);
  return ['env', ...without, 'java', ...FLAGS, ...flags, '-cp', jars.join(':')];
}

/**
 * An archive of loaded classes, which halves the time to start. It is written by a JVM that ends cleanly and belongs to
 * one Java and one set of jars.
 */
export class ClassArchive {
  readonly #file: string;
  readonly #incoming: string;
  #exists = false;

  private constructor(file: string) {
    this.#file = file;
    this.#incoming = `${file}.${randomBytes(4).toString('hex')}.tmp`;
  }

  static async in(
    directory: string,
    java: string,
    jars: readonly string[],
    clock: Clock,
  ): Promise<ClassArchive> {
    const key = createHash('sha256')
      .update([java, ...FLAGS, ...jars].join('\n'))
      .digest('hex')
      .slice(0, 16);
    const archive = new ClassArchive(join(directory, `classes-${key}.jsa`));
    archive.#exists = existsSync(archive.#file);
    await removeLeftovers(directory, clock);
    return archive;
  }

  /** For a JVM that uses the archive when there is one. */
  get readArgs(): readonly string[] {
    return this.#exists ? [`-XX:SharedArchiveFile=${this.#file}`] : [];
  }

  /** For a JVM that uses the archive, or else writes one when it ends. */
  get args(): readonly string[] {
    return this.#exists
      ? this.readArgs
      : [`-XX:ArchiveClassesAtExit=${this.#incoming}`, '-Xlog:cds=off', '-Xlog:cds+dynamic=off'];
  }

  /** Puts the archive in place, when the JVM that has ended wrote one. */
  async keep(): Promise<void> {
    if (this.#exists) return;
    await rename(this.#incoming, this.#file).catch(() => {}); // None was written: the next start takes its time.
  }

  /** For a JVM that was killed, or has not loaded all its classes. */
  async discard(): Promise<void> {
    await rm(this.#incoming, { force: true });
  }
}

/** What killed JVMs did not finish. */
async function removeLeftovers(directory: string, clock: Clock): Promise<void> {
  for (const name of (await readdir(directory)).filter((one) => one.endsWith('.tmp'))) {
    const path = join(directory, name);
    const found = await stat(path).catch(() => undefined);
    if (found && clock.now() - found.mtimeMs > DAY_MS) await rm(path, { force: true });
  }
}
