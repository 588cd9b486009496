import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** An empty directory of the test's own, removed after it. */
export async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'penstock-test-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  await chmod(directory, 0o711); // PostgreSQL may have to run as another user.
  return directory;
}
