import { createSecretKey, type KeyObject } from 'node:crypto';
import { FollowedFiles } from './followed-files.ts';
import type { Logger } from './logger.ts';
import { messageOf } from './logger.ts';
import type { SecretSettings } from './secret-settings.ts';
import { UserError } from './user-error.ts';

const FILE = 'PENSTOCK_SECRET_KEYS_FILE';
const KEYS = 'PENSTOCK_SECRET_KEYS';

const ID = /^[A-Za-z0-9._-]{1,64}$/;
const KEY = /^[A-Za-z0-9+/]{43}=$/;
const EXPECTED = 'must be an id, a colon, and base64 of 32 bytes: k1:… (openssl rand -base64 32)';

/** Keys by their ids: the first one encrypts, each decrypts. */
type Keys = ReadonlyMap<string, KeyObject>;

/**
 * The keys for secrets of integrations, as the settings have them now; none where neither is set.
 * @throws UserError when there are both settings, or no keys can be read from what is set; no message holds a key
 */
export function followSecretKeys(
  settings: Pick<SecretSettings, typeof FILE | typeof KEYS>,
  logger: Logger,
): () => Keys {
  const path = settings[FILE];
  const keys = settings[KEYS];
  if (path && keys) throw new UserError(`${FILE} and ${KEYS} are both set: unset one of them`);
  if (path) {
    const followed = new FollowedFiles([{ path, from: FILE }], ([text = '']) => keysIn(text), logger);
    return () => followed.current();
  }
  const read = keys ? fromSetting(keys) : new Map<string, KeyObject>();
  return () => read;
}

function fromSetting(text: string): Keys {
  try {
    return keysIn(text);
  } catch (error) {
    throw new UserError(`${KEYS}: ${messageOf(error)}`);
  }
}

/** @throws Error that says which line is wrong, without what is in it */
export function keysIn(text: string): Keys {
  const keys = new Map<string, KeyObject>();
  for (const [i, part] of text.split(/[\n,]/).entries()) {
    const line = part.trim();
    if (line === '' || line.startsWith('#')) continue;
    const at = line.indexOf(':');
    const [id, key] = [line.slice(0, Math.max(at, 0)), line.slice(at + 1).trim()];
    if (!ID.test(id) || !KEY.test(key)) throw new Error(`key ${i + 1} ${EXPECTED}`);
    if (keys.has(id)) throw new Error(`key ${i + 1} has the id of another one: ${id}`);
    keys.set(id, createSecretKey(Buffer.from(key, 'base64')));
  }
  if (keys.size === 0) throw new Error(`there is no key in it: it ${EXPECTED}`);
  return keys;
}
