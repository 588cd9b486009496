import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { kafkaSecurity, kafkaSecurityWarning } from '../../src/bus/kafka-security.ts';
import { readSettings } from '../../src/runtime/settings.ts';
import { UserError } from '../../src/runtime/user-error.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { testDeps } from '../helpers/test-deps.ts';

const PREFIX = 'PENSTOCK_KAFKA_';
const settingsOf = (given: Readonly<Record<string, string>>) =>
  readSettings({}, Object.fromEntries(Object.entries(given).map(([name, value]) => [PREFIX + name, value])));
const securityOf = (given: Readonly<Record<string, string>>) =>
  kafkaSecurity(settingsOf(given), testDeps().logger);

test('settings that contradict each other are refused with what to do', () => {
  const plain = { SASL_MECHANISM: 'PLAIN' };
  const named = { ...plain, SASL_USERNAME: 'me' };
  const rows: readonly (readonly [given: Record<string, string>, expected: RegExp])[] = [
    [
      { TLS_CA_FILE: '/ca' },
      /^PENSTOCK_KAFKA_TLS_CA_FILE is set, but not PENSTOCK_KAFKA_TLS: set that to true/,
    ],
    [{ TLS: 'true', TLS_KEY_FILE: '/key' }, /_TLS_KEY_FILE is set, but not PENSTOCK_KAFKA_TLS_CERT_FILE/],
    [{ TLS: 'true', TLS_CERT_FILE: '/cert' }, /_TLS_CERT_FILE is set, but not PENSTOCK_KAFKA_TLS_KEY_FILE/],
    [
      { SASL_USERNAME: 'me' },
      /_SASL_USERNAME is set, but not PENSTOCK_KAFKA_SASL_MECHANISM: set that to PLAIN/,
    ],
    [{ SASL_PASSWORD: 's3cret' }, /_SASL_PASSWORD is set, but not PENSTOCK_KAFKA_SASL_MECHANISM/],
    [plain, /_SASL_MECHANISM is set, but not PENSTOCK_KAFKA_SASL_USERNAME/],
    [named, /_SASL_USERNAME is set, but no password: set PENSTOCK_KAFKA_SASL_PASSWORD_FILE or/],
    [{ ...named, SASL_PASSWORD: 's3cret', SASL_PASSWORD_FILE: '/p' }, /are both set: unset one of them/],
    [{ ...named, SASL_PASSWORD_FILE: '/none' }, /^PENSTOCK_KAFKA_SASL_PASSWORD_FILE cannot be read: ENOENT/],
    [{ TLS: 'true', TLS_CA_FILE: '/none' }, /^PENSTOCK_KAFKA_TLS_CA_FILE cannot be read: ENOENT/],
  ];
  for (const [given, expected] of rows) {
    assert.throws(
      () => securityOf(given),
      (error: Error) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, expected);
        assert.doesNotMatch(error.message, /s3cret|\n/);
        return true;
      },
    );
  }
});

test('without these settings Kafka is reached as it is; with them over TLS, with a login', async (t) => {
  assert.deepEqual(securityOf({}), {});
  const { tls, login } = securityOf({ TLS: 'true' });
  assert.ok(tls?.(), 'with the authorities of the system');
  assert.equal(login, undefined);
  const file = join(await temporaryDirectory(t), 'password');
  await writeFile(file, ' s3cret \r\n');
  const named = { SASL_MECHANISM: 'SCRAM-SHA-256', SASL_USERNAME: 'me' };
  const { login: byFile } = securityOf({ ...named, SASL_PASSWORD_FILE: file });
  assert.deepEqual({ ...byFile }, { mechanism: 'scram-sha-256', username: 'me', password: ' s3cret ' });
  await writeFile(file, 'another');
  assert.equal(byFile?.password, 'another');
  await writeFile(file, '\n');
  assert.equal(byFile?.password, 'another', 'no password is not written whole');
});

test('a password that goes in clear text beyond this machine is warned of', () => {
  const warned = (broker: string, given = {}) =>
    kafkaSecurityWarning(settingsOf({ SASL_MECHANISM: 'PLAIN', ...given }), [broker]);
  for (const broker of ['localhost:9092', 'kafka.localhost:9092', '127.0.0.9:9092', '[::1]:9092']) {
    assert.equal(warned(broker), undefined, broker);
  }
  for (const broker of [
    'kafka:9092',
    '10.0.0.2:9092',
    '127.example.com:9092',
    'localhost.example.com:9092',
  ]) {
    assert.match(warned(broker) ?? '', /in clear text: set PENSTOCK_KAFKA_TLS=true/, broker);
  }
  assert.equal(warned('kafka:9092', { TLS: 'true' }), undefined);
  assert.equal(warned('kafka:9092', { SASL_MECHANISM: 'SCRAM-SHA-512' }), undefined);
});
