import assert from 'node:assert/strict';
import { test } from 'node:test';
import { typesOf } from '../../src/executor/config.ts';
import { UserError } from '../../src/runtime/user-error.ts';

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
