import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpConfigurationSchema } from '../../gen/penstock/v1/http_pb.ts';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { KafkaConfigurationSchema } from '../../gen/penstock/v1/kafka_pb.ts';
import { MqttConfigurationSchema } from '../../gen/penstock/v1/mqtt_pb.ts';
import { isSettable } from '../../src/contract/settable.ts';
import { labelOf, modelOf } from '../../web/src/forms/field-model.ts';
import { sectionsFor } from '../../web/src/forms/layout.ts';

test('every field that can be set has one place in the form of its type', () => {
  for (const type of [
    undefined,
    HttpConfigurationSchema,
    MqttConfigurationSchema,
    KafkaConfigurationSchema,
  ]) {
    const own = IntegrationSchema.fields.filter((field) => isSettable(field) && !field.oneof);
    const sections = sectionsFor(type);
    const names = sections.flatMap((section) => [...section.own, ...section.ofType].map(({ name }) => name));
    assert.deepEqual(names.toSorted(), [...own, ...(type?.fields ?? [])].map(({ name }) => name).toSorted());
    assert.equal(new Set(names).size, names.length);
  }
});

test('what the server sets cannot be set', () => {
  const settable = IntegrationSchema.fields.filter(isSettable).map(({ name }) => name);
  for (const name of ['id', 'status', 'etag', 'generation', 'set_secrets', 'type', 'create_time', 'restarts'])
    assert.ok(!settable.includes(name), name);
});

test('what a field is for, what it is when it is not set, and by what it is set comes from the schema', () => {
  const models = (schema: typeof HttpConfigurationSchema, ...names: string[]) =>
    names.map((name) => modelOf(schema.fields.find((field) => field.name === name)!));
  const [url, method, secret, connect, body] = models(
    HttpConfigurationSchema,
    'rest_endpoint_url',
    'request_method',
    'secret_headers',
    'connect_timeout',
    'body_template',
  );
  assert.deepEqual([url!.widget, url!.isRequired, url!.label], ['text', true, 'Rest endpoint URL']);
  assert.deepEqual([method!.widget, method!.fallback], ['enum', 'POST']);
  assert.equal(secret!.widget, 'items');
  assert.equal(connect!.widget, 'duration');
  assert.equal(body!.widget, 'long text');
  assert.doesNotMatch(method!.help, /Unspecified:/);
  assert.ok(url!.help.length > 10);
  assert.equal(labelOf('use_msg_qos'), 'Use message QoS');
});
