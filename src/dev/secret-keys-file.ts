import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

/** The file with the keys that secrets are encrypted with, in the data directory; made with a key when it is not there. */
export async function secretKeysFile(dataDir: string): Promise<string> {
  const path = resolve(join(dataDir, 'secret-keys'));
  const text = [
    '# What secrets of integrations are encrypted with: PENSTOCK_SECRET_KEYS_FILE. Without it they are lost.',
    `dev:${randomBytes(32).toString('base64')}`,
    '',
  ].join('\n');
  await writeFile(path, text, { flag: 'wx', mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  return path;
}
