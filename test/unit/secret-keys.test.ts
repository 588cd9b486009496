import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { followSecretKeys, keysIn } from '../../src/runtime/secret-keys.ts';
import { readSettings, SettingsError } from '../../src/runtime/settings.ts';
import { UserError } from '../../src/runtime/user-error.ts';
import { testDeps } from '../helpers/test-deps.ts';

const { logger } = testDeps();
const newKey = () => randomBytes(32).toString('base64');
const settings = (env: Record<string, string>) => readSettings({}, env);
const ids = (keys: ReadonlyMap<string, unknown>) => [...keys.keys()];

test('keys are lines of a file or items of a list, in their order', () => {
  const [a, b] = [newKey(), newKey()];
  assert.deepEqual(ids(keysIn(`# new\nk2:${a}\r\n\n k1 : ${b}\n`.replace(' : ', ':'))), ['k2', 'k1']);
  const keys = followSecretKeys(settings({ PENSTOCK_SECRET_KEYS: `k2:${a},k1:${b}` }), logger)();
  assert.deepEqual(ids(keys), ['k2', 'k1']);
  assert.deepEqual(keys.get('k1')?.export().toString('base64'), b);
});

test('without a setting there are no keys', () => {
  assert.equal(followSecretKeys(settings({}), logger)().size, 0);
});

test('what is no key is refused, without telling what it is', () => {
  const key = newKey();
  const short = randomBytes(31).toString('base64');
  const wrong = [
    key,
    `:${key}`,
    `k 1:${key}`,
    `k1:${short}`,
    `k1:${key}=`,
    `k1:${key},k1:${newKey()}`,
    '',
    '# none',
  ];
  for (const text of wrong) {
    assert.throws(
      () => keysIn(text),
      (error: Error) =>
        !error.message.includes(key.slice(0, 8)) && !error.message.includes(short.slice(0, 8)),
      text,
    );
  }
  const both = settings({ PENSTOCK_SECRET_KEYS: `k1:${key}`, PENSTOCK_SECRET_KEYS_FILE: '/x' });
  assert.throws(() => followSecretKeys(both, logger), /both set/);
  assert.throws(
    () => followSecretKeys(settings({ PENSTOCK_SECRET_KEYS: key }), logger),
    (error: Error) => {
      return (
        error instanceof UserError &&
        /PENSTOCK_SECRET_KEYS/.test(error.message) &&
        !error.message.includes(key)
      );
    },
  );
  assert.ok(!String(new SettingsError('x')).includes(key));
});

test('a file of keys is read again when it changes; what is no key changes nothing', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'penstock-keys-'));
  t.after(() => rm(dir, { recursive: true }));
  const path = join(dir, 'keys');
  const first = `k1:${newKey()}\n`;
  await writeFile(path, first);
  const keys = followSecretKeys(settings({ PENSTOCK_SECRET_KEYS_FILE: path }), logger);
  assert.deepEqual(ids(keys()), ['k1']);
  await writeFile(path, `k2:${newKey()}\n${first}`);
  assert.deepEqual(ids(keys()), ['k2', 'k1']);
  await writeFile(path, 'half a ke');
  assert.deepEqual(ids(keys()), ['k2', 'k1']);
  await rm(path);
  assert.deepEqual(ids(keys()), ['k2', 'k1']);
  assert.throws(
    () => followSecretKeys(settings({ PENSTOCK_SECRET_KEYS_FILE: path }), logger),
    /PENSTOCK_SECRET_KEYS_FILE cannot be read/,
  );
});
