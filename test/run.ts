// Runs the tests: npm test, or npm test -- unit e2e for some of the folders.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startKafka } from '../src/dev/kafka-server.ts';
import { startPostgres } from '../src/dev/postgres-server.ts';
import { systemClock } from '../src/runtime/clock.ts';
import { installPrograms } from './helpers/programs.ts';

/** Folders whose tests share one Kafka and one PostgreSQL; those of e2e start the whole system themselves. */
const SHARING = ['unit', 'contract', 'conformance', 'integration', 'web'];
const ALONE = ['e2e'];

const say = (line: string) => console.log(line);

/** Runs the test files of some folders, `concurrency` at a time; answers whether all passed. */
async function run(
  folders: readonly string[],
  concurrency: number,
  env: NodeJS.ProcessEnv,
): Promise<boolean> {
  const files = folders.flatMap((folder) => globSync(`test/${folder}/**/*.test.ts`).toSorted());
  if (files.length === 0) return true;
  const options = [
    '--import=./test/helpers/left-open.ts',
    '--test',
    `--test-concurrency=${concurrency}`,
    '--test-timeout=300000',
  ];
  const child = spawn(process.execPath, [...options, ...files], {
    stdio: 'inherit',
    // Java reads what it is told in the locale's character set.
    env: { LC_ALL: 'C.UTF-8', ...process.env, ...env },
  });
  const stop = () => child.kill('SIGTERM');
  process.once('exit', stop);
  const [code] = await once(child, 'exit');
  process.off('exit', stop);
  return code === 0;
}

async function runSharing(folders: readonly string[]): Promise<boolean> {
  if (folders.length === 0) return true;
  await using stack = new AsyncDisposableStack();
  const dataDir = await mkdtemp(join(tmpdir(), 'penstock-test-'));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  await chmod(dataDir, 0o711); // PostgreSQL may have to run as another user
  const options = { dataDir, progress: say, clock: systemClock };
  const kafka = stack.use(await startKafka({ ...options, isOpen: true }));
  const postgres = stack.use(await startPostgres(options));
  return await run(folders, 2, {
    PENSTOCK_TEST_KAFKA: kafka.bootstrapServers,
    PENSTOCK_TEST_POSTGRES: postgres.url,
  });
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((folder) => ![...SHARING, ...ALONE].includes(folder));
if (unknown.length > 0)
  throw new Error(`no tests in test/${unknown.join()}: there are ${[...SHARING, ...ALONE].join(', ')}`);
const chosen = (folders: readonly string[]) =>
  folders.filter((folder) => wanted.length === 0 || wanted.includes(folder));

// Ends at once, and what was started here with it: the servers stop when their starter ends.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
installPrograms(say);
const passed = [await runSharing(chosen(SHARING)), await run(chosen(ALONE), 1, {})];
process.exitCode = passed.every(Boolean) ? 0 : 1;
