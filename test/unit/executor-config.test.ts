import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { executorConfig, typesOf } from '../../src/executor/config.ts';
import { readSettings } from '../../src/runtime/settings.ts';
import { UserError } from '../../src/runtime/user-error.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

test('an executor serves the supported types without the excluded ones', () => {
  assert.deepEqual(typesOf(['ALL'], ['NONE']), ['http', 'mqtt', 'kafka']);
  assert.deepEqual(typesOf(['kafka', 'HTTP'], ['NONE']), ['http', 'kafka']);
  assert.deepEqual(typesOf(['ALL'], ['Mqtt']), ['http', 'kafka']);
});

test('a type that does not exist is a failure that names the setting', () => {
  const isAbout = (setting: string) => (error: unknown) =>
    error instanceof UserError && error.message.startsWith(setting);
  assert.throws(() => typesOf(['HTPP'], ['NONE']), isAbout('TB_SERVICE_INTEGRATIONS_SUPPORTED'));
  assert.throws(() => typesOf(['ALL'], ['x']), isAbout('TB_SERVICE_INTEGRATIONS_EXCLUDED'));
});

test('what guards messages and targets comes from the settings', () => {
  const config = executorConfig(readSettings({}, { PENSTOCK_MAX_HOPS: '3' }));
  assert.deepEqual([config.policy.maxHops, config.allowsLocalTargets], [3, true]);
  const strict = executorConfig(readSettings({}, { INTEGRATIONS_ALLOW_LOCAL_NETWORK_HOSTS: 'false' }));
  assert.deepEqual([strict.policy.maxHops, strict.allowsLocalTargets], [8, false]);
  for (const hops of ['0', '256', 'x']) {
    assert.throws(() => readSettings({}, { PENSTOCK_MAX_HOPS: hops }), /PENSTOCK_MAX_HOPS=.* from 1 to 255/);
  }
});

test('integrations cannot be let refer to settings, and so to the passwords in them', () => {
  const config = executorConfig(
    readSettings({}, { PENSTOCK_SECRET_ENV_PREFIX: 'DEVICES_', PENSTOCK_SECRET_FILES_DIR: '/run/secrets' }),
  );
  const { envPrefix, filesDir } = config.secretSources;
  assert.deepEqual([envPrefix, filesDir], ['DEVICES_', '/run/secrets']);
  assert.equal(executorConfig(readSettings({}, {})).secretSources.envPrefix, 'INTEGRATION_SECRET_');
  for (const prefix of ['P', 'PENSTOCK_', 'PENSTOCK_POSTGRES_URL', 'TB_', 'INTEGRATION', 'EVENT_']) {
    assert.throws(
      () => executorConfig(readSettings({}, { PENSTOCK_SECRET_ENV_PREFIX: prefix })),
      (error) => error instanceof UserError && error.message.startsWith('PENSTOCK_SECRET_ENV_PREFIX: '),
      prefix,
    );
  }
});

test('integrations cannot be let refer to the files of settings, such as that of the keys', async (t) => {
  const all = await temporaryDirectory(t);
  for (const dir of ['penstock', 'integrations']) await mkdir(join(all, dir));
  await writeFile(join(all, 'penstock', 'keys'), '');
  await symlink(join(all, 'penstock', 'keys'), join(all, 'keys'));
  await symlink(all, join(all, 'integrations', 'everything'));
  const configOf = (PENSTOCK_SECRET_FILES_DIR: string, file = 'penstock/keys') =>
    executorConfig(
      readSettings({}, { PENSTOCK_SECRET_FILES_DIR, PENSTOCK_SECRET_KEYS_FILE: join(all, file) }),
    );
  for (const [dir, file] of [
    [all, 'penstock/keys'],
    [join(all, 'penstock'), 'penstock/keys'],
    [join(all, 'penstock'), 'keys'],
    [join(all, 'integrations', 'everything'), 'penstock/keys'],
    ['/', 'keys'],
    [all, 'not-there'],
  ] as const) {
    assert.throws(
      () => configOf(dir, file),
      (error) =>
        error instanceof UserError && /FILES_DIR: the file of \w+_KEYS_FILE lies/.test(error.message),
      `${dir} ${file}`,
    );
  }
  assert.equal(configOf(join(all, 'integrations')).secretSources.filesDir, join(all, 'integrations'));
});
