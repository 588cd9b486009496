import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { join, resolve } from 'node:path';

/**
 * The file with the keys that secrets are encrypted with, in the data directory, which nobody else uses; made with a key when
 * it is not there.
 */
export async function secretKeysFile(dataDir: string): Promise<string> {
  const path = resolve(join(dataDir, 'secret-keys'));
  if (existsSync(path)) return path;
  const text = [
    '# What secrets of integrations are encrypted with: PENSTOCK_SECRET_KEYS_FILE. Without it they are lost.',
    `dev:${randomBytes(32).toString('base64')}`,
    '',
  ].join('\n');
  // Under another name until it is on the disk: a crash leaves no file that is empty, and none that is gone afterwards.
  const incoming = `${path}.incoming`;
  await using file = await open(incoming, 'w', 0o600);
  await file.writeFile(text);
  await file.sync();
  await rename(incoming, path);
  await using directory = await open(resolve(dataDir));
  await directory.sync();
  return path;
}
