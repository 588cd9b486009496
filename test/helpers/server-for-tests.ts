import { spawn } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

/** When its standard input ends, because the test process has, kills what still runs and removes the directory. */
const WATCHDOG =
  'cat >/dev/null; for f in "$0"/*.pid; do [ -f "$f" ] && kill -9 "$(cat "$f")"; done; rm -rf "$0"';

/**
 * A server that is started with its first use and stopped when the tests of this process are over, also when they fail
 * or the process is killed. Call at a test file's or helper's top level.
 */
export function serverForTests<S extends AsyncDisposable>(
  start: (dataDir: string) => Promise<S>,
): () => Promise<S> {
  const stack = new AsyncDisposableStack();
  let started: Promise<S> | undefined;
  after(async () => {
    await started?.catch(() => {}); // The test that asked for it has the error.
    await stack.disposeAsync();
  });
  const begin = async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'penstock-test-'));
    const watchdog = spawn('sh', ['-c', WATCHDOG, dataDir], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    watchdog.unref();
    (watchdog.stdin as Socket).unref();
    stack.defer(async () => {
      await rm(dataDir, { recursive: true, force: true });
      watchdog.stdin.end();
    });
    await chmod(dataDir, 0o711); // PostgreSQL may have to run as another user.
    return stack.use(await start(dataDir));
  };
  return () => {
    started ??= begin();
    return started;
  };
}
