import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clone, create, fromJson, type JsonObject } from '@bufbuild/protobuf';
import { type Integration, IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { applyUpdate } from '../../src/contract/apply-update.ts';
import { missingSecrets } from '../../src/contract/missing-secrets.ts';
import { setSecretPaths, withoutSecrets } from '../../src/contract/secrets.ts';
import type { FieldViolation } from '../../src/contract/validate.ts';

const make = (fields: JsonObject) => fromJson(IntegrationSchema, fields);

/** An integration of each type, with a secret in every place that can have one beside the others. */
const INTEGRATIONS: Readonly<Record<string, Integration>> = {
  http: make({
    name: 'i',
    http: {
      rest_endpoint_url: 'http://a.example',
      credentials: { basic: { username: 'u', password: 's' } },
      proxy_url: 'http://proxy.example',
      proxy_credentials: { username: 'u', password: 's' },
      tls: { cert: 'C', private_key: 's', private_key_password: 's' },
      secret_headers: [{ name: 'x-key', value: 's' }],
    },
  }),
  mqtt: make({
    name: 'i',
    mqtt: {
      host: 'h.example',
      credentials: { pem: { cert: 'C', private_key: 's', private_key_password: 's' } },
      static_client_ids: [{ client_id: 'a"]', username: 'x', password: 's' }, { client_id: 'b' }],
    },
  }),
  kafka: make({
    name: 'i',
    kafka: { topic: 't', sasl: { username: 'u', password: 's' }, tls: { private_key: 's' } },
  }),
};

/** What a read answers. */
function answered(stored: Integration): Integration {
  const answer = withoutSecrets(IntegrationSchema, stored);
  answer.setSecrets = setSecretPaths(IntegrationSchema, stored);
  return answer;
}

const named = (violations: readonly FieldViolation[]) => violations.map(({ field }) => field);
const paths = (answer: Integration) => answer.setSecrets.map((path) => `integration.${path}`);

for (const [type, stored] of Object.entries(INTEGRATIONS)) {
  test(`${type}: made from an answer, each secret that is not given is named`, () => {
    const answer = answered(stored);
    assert.ok(answer.setSecrets.length > 0);
    assert.deepEqual(named(missingSecrets(answer)), paths(answer));
    const whole = clone(IntegrationSchema, stored);
    whole.setSecrets = answer.setSecrets;
    assert.deepEqual(missingSecrets(whole), []);
  });

  test(`${type}: an update with the answer keeps the secrets, or names those that nothing has`, () => {
    const answer = answered(stored);
    assert.deepEqual(applyUpdate(stored, answer, []).violations, []);
    const elsewhere = withoutSecrets(IntegrationSchema, stored);
    assert.deepEqual(named(applyUpdate(elsewhere, answer, []).violations), paths(answer));
    const another = create(IntegrationSchema, { name: 'another' });
    assert.deepEqual(named(applyUpdate(another, answer, []).violations), paths(answer));
  });

  test(`${type}: what an update takes away needs not be given, also the second time`, () => {
    const answer = answered(stored);
    answer.configuration.value = make({ [type]: {} }).configuration.value as never;
    const { integration, violations } = applyUpdate(stored, answer, []);
    assert.deepEqual(violations, []);
    assert.deepEqual(applyUpdate(integration, answer, []).violations, []);
    answer.name = 'changed';
    assert.deepEqual(named(applyUpdate(integration, answer, []).violations), paths(answer));
  });
}

test('what is named and belongs nowhere is missing', () => {
  const draft = make({ name: 'i', set_secrets: ['x', 'kafka.sasl.password'], mqtt: { host: 'h' } });
  assert.deepEqual(named(missingSecrets(draft)), ['integration.x', 'integration.kafka.sasl.password']);
});

test('an empty secret is given', () => {
  const credentials = { basic: { username: 'u', password: '' } };
  const set_secrets = ['mqtt.credentials.basic.password'];
  assert.deepEqual(missingSecrets(make({ set_secrets, mqtt: { host: 'h', credentials } })), []);
});

test('an update asks for secrets of what its mask names alone', () => {
  const stored = withoutSecrets(IntegrationSchema, INTEGRATIONS.mqtt!);
  const answer = answered(INTEGRATIONS.mqtt!);
  assert.deepEqual(applyUpdate(stored, answer, ['name', 'mqtt.host']).violations, []);
  assert.deepEqual(named(applyUpdate(stored, answer, ['mqtt.static_client_ids']).violations), [
    'integration.mqtt.static_client_ids["a\\"]"].password',
  ]);
});

test('a secret that only a newer version knows is not asked for by an update, which keeps it', () => {
  const stored = INTEGRATIONS.http!;
  const answer = answered(stored);
  answer.setSecrets.push('http.credentials.newer.password');
  answer.name = 'changed';
  assert.deepEqual(applyUpdate(stored, answer, []).violations, []);
});
