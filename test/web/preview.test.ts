import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, equals, type MessageInitShape } from '@bufbuild/protobuf';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import type { HttpConfigurationSchema } from '../../gen/penstock/v1/http_pb.ts';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { handlerTypeOf } from '../../src/executor/handlers/registry.ts';
import { tryDelivery } from '../../src/executor/trial.ts';
import { previewOf } from '../../web/src/pages/trial/preview.ts';
import { envelopeOf, newSample, sampleOf, topicFor } from '../../web/src/pages/trial/sample.ts';
import { contextOf } from '../helpers/handler.ts';
import { httpEndpoint } from '../helpers/http-endpoint.ts';
import { rawMqttBroker } from '../helpers/raw-mqtt-broker.ts';

type Configuration = NonNullable<MessageInitShape<typeof IntegrationSchema>['configuration']>;

const ENVELOPE = create(EnvelopeSchema, {
  topicName: 'rooms/1/temperature',
  clientId: 'c"1',
  qos: 1,
  retain: true,
  payload: Buffer.from('{"celsius": 21.50, "ü": [1]}'),
  userProperties: [{ key: 'site', value: 'north' }],
  id: Buffer.from('0195b8e3f8a67d9c8a3be0c1f2d4a596', 'hex'),
  receivedTime: { seconds: 1_742_554_969n, nanos: 0 },
});
const { serviceId, integrationId } = contextOf();

const integrationOf = (configuration: Configuration) =>
  create(IntegrationSchema, {
    id: integrationId,
    name: 'an integration',
    topicFilters: ['#'],
    metadata: { line: '7' },
    configuration,
  });

function previewed(configuration: Configuration, envelope = ENVELOPE) {
  const written = previewOf(integrationOf(configuration), envelope, 0);
  assert.ok(written && 'to' in written, JSON.stringify(written));
  const text = typeof written.body === 'string' ? written.body : Buffer.from(written.body ?? []).toString();
  return { ...written, text: text.replaceAll('<executor>', serviceId) };
}

async function deliver(configuration: Configuration) {
  const integration = integrationOf(configuration);
  const context = contextOf({ integrationName: integration.name, metadata: integration.metadata });
  const asked = { integration, envelope: ENVELOPE };
  const { delivered, reason } = await tryDelivery(
    handlerTypeOf(integration)!,
    asked,
    context,
    AbortSignal.timeout(10_000),
  );
  assert.ok(delivered, reason);
}

test('a preview of HTTP is what an endpoint gets: method, path, headers and body', async (t) => {
  const endpoint = await httpEndpoint(t);
  const { origin } = new URL(endpoint.url);
  const values: MessageInitShape<typeof HttpConfigurationSchema>[] = [
    {
      restEndpointUrl: `${origin}/in/\${topic[1]}?c=\${clientId}`,
      headers: { 'X-Site': '${userProperties.site}', 'X-B': '1' },
    },
    { restEndpointUrl: origin, sendOnlyMsgPayload: true, payloadContentType: 1, requestMethod: 2 },
    {
      restEndpointUrl: origin,
      bodyTemplate: '{"c": ${payload.celsius}, "line": "${metadata.line}", "id": "${id}"}',
    },
    { restEndpointUrl: origin, requestMethod: 4 },
    { restEndpointUrl: origin, batching: { maxMessages: 10 }, idempotencyKeyHeader: 'Idempotency-Key' },
    { restEndpointUrl: origin, secretHeaders: [{ name: 'x-key', value: 'hunter22' }] },
  ];
  for (const value of values) {
    const configuration = { case: 'http' as const, value };
    const { to, fields, text } = previewed(configuration);
    await deliver(configuration);
    const got = endpoint.received.at(-1)!;
    assert.equal(to, `${got.method} ${origin}${got.path}`);
    assert.equal(text, got.body.toString());
    for (const [name, shown] of fields) {
      if (name !== 'x-key') assert.equal(shown, got.headers[name], name);
      else assert.doesNotMatch(shown, /hunter/);
    }
    assert.ok(got.headers['penstock-hops'] && fields.some(([name]) => name === 'penstock-hops'));
  }
});

test('a preview of MQTT is what a broker gets: topic, QoS, RETAIN and payload', async (t) => {
  const broker = await rawMqttBroker(t);
  for (const own of [
    { topicName: 'out/${clientId}/${topic[2]}', qos: 0, useMsgRetain: false },
    { sendOnlyMsgPayload: true },
    { topicName: 'out', bodyTemplate: 'c=${payload.celsius}' },
  ]) {
    const configuration = { case: 'mqtt' as const, value: { host: '127.0.0.1', port: broker.port, ...own } };
    const { to, fields, text } = previewed(configuration);
    await deliver(configuration);
    const got = broker.published.at(-1)!;
    assert.deepEqual([to, text], [got.topicName, Buffer.from(got.payload).toString()]);
    assert.deepEqual(fields, [
      ['QoS', String(got.qos)],
      ['retained', got.retain ? 'yes' : 'no'],
    ]);
  }
});

test('a preview of Kafka has the topic, the key, the headers and the value', () => {
  const value = {
    bootstrapServers: ['k:9092'],
    topic: 'out',
    key: '${topic[1]}',
    kafkaHeaders: [{ key: 'site', value: '${userProperties.site}' }],
    bodyTemplate: '${payload.celsius} of ${clientId}',
  };
  const { to, fields, text } = previewed({ case: 'kafka', value });
  assert.deepEqual([to, text], ['out', '21.50 of c"1']);
  assert.deepEqual(fields, [
    ['key', '1'],
    ['header site', 'north'],
  ]);
});

test('a template without its value is told at the field that it is in', () => {
  const at = (configuration: Configuration) => {
    const found = previewOf(integrationOf(configuration), ENVELOPE, 0);
    return found && 'problem' in found ? [found.path, found.problem] : found;
  };
  const missing = '${payload.nothing} has no value in this message';
  const http = (value: object): Configuration => ({
    case: 'http',
    value: { restEndpointUrl: 'http://e/', ...value },
  });
  assert.deepEqual(at(http({ restEndpointUrl: 'http://e/${payload.nothing}' })), [
    'http.rest_endpoint_url',
    missing,
  ]);
  assert.deepEqual(at(http({ headers: { x: '${payload.nothing}' } })), ['http.headers["x"]', missing]);
  assert.deepEqual(at(http({ bodyTemplate: '${payload.nothing}' })), ['http.body_template', missing]);
  assert.deepEqual(at({ case: 'mqtt', value: { host: 'h', topicName: '${payload.nothing}' } }), [
    'mqtt.topic_name',
    missing,
  ]);
  assert.deepEqual(at({ case: 'kafka', value: { key: '${payload.nothing}' } }), ['kafka.key', missing]);
  assert.deepEqual(
    at({ case: 'kafka', value: { kafkaHeaders: [{ key: 'a', value: '${payload.nothing}' }] } }),
    ['kafka.kafka_headers[0].value', missing],
  );
  assert.equal(at({ case: undefined }), undefined);
});

test('a sample is the message that was typed, and what it was made of stays as it was', () => {
  const sample = { ...newSample(['a/+/b/#']), payload: 'ü', userProperties: 'a: 1\n\nb\na: x: y' };
  assert.equal(sample.topicName, 'a/x/b/x');
  assert.equal(topicFor('$share/g/+'), 'x');
  const { payload, userProperties, id } = envelopeOf(sample);
  assert.deepEqual([Buffer.from(payload).toString(), id.length], ['ü', 0]);
  assert.deepEqual(
    userProperties.map(({ key, value }) => [key, value]),
    [
      ['a', '1'],
      ['b', ''],
      ['a', 'x: y'],
    ],
  );
  const again = envelopeOf(sampleOf(ENVELOPE));
  assert.ok(equals(EnvelopeSchema, again, ENVELOPE));
  const binary = create(EnvelopeSchema, { topicName: 't', payload: Uint8Array.of(0xff, 0) });
  assert.ok(equals(EnvelopeSchema, envelopeOf(sampleOf(binary)), binary));
});
