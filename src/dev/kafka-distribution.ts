import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../runtime/clock.ts';
import { UserError } from '../runtime/user-error.ts';
import { CommandError, run } from './command.ts';

const VERSION = '4.3.1';
const MAIN_JAR = `kafka_2.13-${VERSION}.jar`;
const POM = fileURLToPath(new URL('./kafka/pom.xml', import.meta.url));
const RESOLVE_MS = 900_000;
const DAY_MS = 86_400_000;

/** Where Kafka is kept, once for all data directories of a user. */
export function defaultKafkaCache(): string {
  return join(homedir(), '.cache', 'penstock', `kafka-${VERSION}`);
}

/**
 * The jars of Kafka, in a fixed order; the first time Maven fetches them into `cacheDir`. Several processes may do so
 * at once: the first one that has them all wins.
 */
export async function kafkaJars(
  cacheDir: string,
  options: { progress(line: string): void; clock: Clock; signal?: AbortSignal },
): Promise<readonly string[]> {
  if (!existsSync(join(cacheDir, MAIN_JAR))) await resolveInto(cacheDir, options);
  const names = await readdir(cacheDir);
  return names
    .filter((name) => name.endsWith('.jar'))
    .sort()
    .map((name) => join(cacheDir, name));
}

async function resolveInto(cacheDir: string, options: Parameters<typeof kafkaJars>[1]): Promise<void> {
  const { progress, clock, signal } = options;
  const began = clock.monotonic();
  progress(`resolving Kafka ${VERSION} with Maven (about 65 MB, once)…`);
  await mkdir(dirname(cacheDir), { recursive: true });
  await removeLeftovers(cacheDir, clock);
  const incoming = await mkdtemp(`${cacheDir}.`);
  try {
    await run(
      'mvn',
      [
        '-B',
        '-q',
        '-Dstyle.color=never',
        '-f',
        POM,
        'dependency:copy-dependencies',
        `-DoutputDirectory=${incoming}`,
      ],
      { timeoutMs: RESOLVE_MS, ...(signal ? { signal } : {}) },
    );
    await rename(incoming, cacheDir).catch(async (error: unknown) => {
      if (!existsSync(join(cacheDir, MAIN_JAR))) throw error;
    });
  } catch (error) {
    throw mavenFailed(error);
  } finally {
    await rm(incoming, { recursive: true, force: true });
  }
  progress(`Kafka ${VERSION} is in ${cacheDir} (${Math.round((clock.monotonic() - began) / 1000)} s)`);
}

function mavenFailed(cause: unknown): unknown {
  if (!(cause instanceof CommandError)) return cause;
  const message =
    cause.code === 'ENOENT'
      ? 'there is no Maven, which fetches Kafka once: install it (Debian: apt-get install default-jre-headless maven), or point TB_KAFKA_SERVERS at a Kafka'
      : `Maven could not fetch Kafka (${cause.reason}): try again, or point TB_KAFKA_SERVERS at a Kafka`;
  return new UserError(message, { cause });
}

/** Half-fetched directories of killed runs. */
async function removeLeftovers(cacheDir: string, clock: Clock): Promise<void> {
  for (const name of await readdir(dirname(cacheDir))) {
    if (!name.startsWith(`${basename(cacheDir)}.`)) continue;
    const path = join(dirname(cacheDir), name);
    const found = await stat(path).catch(() => undefined); // Another run was faster.
    if (found && clock.now() - found.mtimeMs > DAY_MS) await rm(path, { recursive: true, force: true });
  }
}
