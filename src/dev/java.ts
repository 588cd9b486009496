import { createHash } from 'node:crypto';
import { access, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../runtime/clock.ts';
import { CommandError, run } from './command.ts';
import { DevError } from './data-directory.ts';

const LEAST_VERSION = 17;
const DAY_MS = 86_400_000;
const FLAGS = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-XX:+ExitOnOutOfMemoryError'];

/** Through `env`, so that what the user has set for other Java programs does not reach this one. */
export const JAVA = ['env', '-u', 'CLASSPATH', '-u', 'JAVA_TOOL_OPTIONS', '-u', 'JDK_JAVA_OPTIONS', 'java'];

/**
 * What `java -version` prints.
 * @throws DevError when there is no Java, or too old a one
 */
export async function javaVersion(signal?: AbortSignal): Promise<string> {
  const waysOut =
    'install it (Debian: apt-get install default-jre-headless), or point TB_KAFKA_SERVERS at a Kafka';
  const printed = await run('java', ['-version'], { timeoutMs: 30_000, ...(signal ? { signal } : {}) }).catch(
    (cause: unknown) => {
      if (!(cause instanceof CommandError)) throw cause;
      throw new DevError(`there is no working Java, which Kafka needs: ${waysOut}`, { cause });
    },
  );
  const version = Number(/version "(\d+)/.exec(printed)?.[1]);
  if (version < LEAST_VERSION) {
    throw new DevError(`Java ${version} is too old for Kafka, which needs ${LEAST_VERSION}: ${waysOut}`);
  }
  return printed;
}

/** Java's arguments for the main class, without a class-data archive. */
export function javaArgs(jars: readonly string[], more: readonly string[] = []): string[] {
  return [...FLAGS, ...more, '-cp', jars.join(':')];
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
    this.#incoming = `${file}.${process.pid}.tmp`;
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
    archive.#exists = await access(archive.#file).then(
      () => true,
      () => false,
    );
    await removeLeftovers(directory, clock);
    return archive;
  }

  /** For the JVM: use the archive, or write one when it ends. */
  get args(): readonly string[] {
    return this.#exists
      ? [`-XX:SharedArchiveFile=${this.#file}`]
      : [`-XX:ArchiveClassesAtExit=${this.#incoming}`, '-Xlog:cds=off', '-Xlog:cds+dynamic=off'];
  }

  /** Puts the archive in place, when the JVM that has ended wrote one. */
  async keep(cleanEnd: boolean): Promise<void> {
    if (this.#exists) return;
    if (!cleanEnd) return rm(this.#incoming, { force: true });
    await rename(this.#incoming, this.#file).catch(() => {}); // None was written: the next start takes its time.
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
