import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';
import { temporaryDirectory } from './temporary-directory.ts';

/**
 * Makes `programs`, shell scripts by name, the first that this process finds during the test; the only ones, when
 * `alone`.
 */
export async function withPrograms(
  t: TestContext,
  programs: Readonly<Record<string, string>>,
  alone = false,
): Promise<void> {
  const bin = join(await temporaryDirectory(t), 'bin');
  await mkdir(bin);
  for (const [name, script] of Object.entries(programs)) {
    await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(bin, name), 0o755);
  }
  const before = process.env.PATH ?? '';
  process.env.PATH = alone ? bin : bin + delimiter + before;
  t.after(() => {
    process.env.PATH = before;
  });
}
