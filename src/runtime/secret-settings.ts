import { type Setting, text } from './setting.ts';

/** How secrets of integrations are kept, and where those are that integrations only refer to. */
export const SECRET_SETTINGS = {
  PENSTOCK_SECRET_KEYS_FILE: text(
    '',
    'A file with the keys that secrets of integrations are encrypted with, a line each: an id, a colon, and base64 of 32 random bytes (openssl rand -base64 32). The first one encrypts, each decrypts. The same for all control planes and executors. Read again when it changes.',
  ),
  PENSTOCK_SECRET_KEYS: text(
    '',
    'The keys themselves, separated by commas, instead of PENSTOCK_SECRET_KEYS_FILE.',
    { secret: true },
  ),
  PENSTOCK_SECRET_ENV_PREFIX: text(
    'INTEGRATION_SECRET_',
    'What environment variables of an executor begin with that integrations may refer to as ${env:NAME}.',
  ),
  PENSTOCK_SECRET_FILES_DIR: text(
    '',
    'The directory of an executor with the files that integrations may refer to as ${file:/path}, and no file of Penstock itself. Unset: none.',
  ),
} satisfies Record<string, Setting<unknown>>;

type Table = typeof SECRET_SETTINGS;
export type SecretSettings = { readonly [N in keyof Table]: ReturnType<Table[N]['read']> };
