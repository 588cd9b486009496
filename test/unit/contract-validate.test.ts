import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape, toJson } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { ListEventsRequestSchema } from '../../gen/penstock/v1/event_service_pb.ts';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { CheckConnectionRequestSchema } from '../../gen/penstock/v1/integration_service_pb.ts';
import { PublishMessageRequestSchema } from '../../gen/penstock/v1/message_service_pb.ts';
import { TYPES, typeOf } from '../../src/contract/integration-type.ts';
import { isValid, violationsOf } from '../../src/contract/validate.ts';

const VALID = {
  name: 'n',
  topicFilters: ['a'],
  configuration: { case: 'http' as const, value: { restEndpointUrl: 'http://a/' } },
};
const integration = (init: MessageInitShape<typeof IntegrationSchema>) => create(IntegrationSchema, init);

test('a valid message has no violations', () => {
  assert.deepEqual(violationsOf(IntegrationSchema, integration(VALID)), []);
  assert.ok(isValid(IntegrationSchema, integration(VALID)));
});

test('a violation carries path, text and reason, below the prefix', () => {
  const invalid = integration({ ...VALID, topicFilters: ['a', 'b+'] });
  const [violation, ...others] = violationsOf(IntegrationSchema, invalid, 'integration');
  assert.deepEqual(others, []);
  assert.equal(violation?.field, 'integration.topic_filters[1]');
  assert.match(violation?.description ?? '', /must be an MQTT topic filter/);
  assert.equal(violation?.reason, 'INTEGRATION_TOPIC_FILTERS');
  assert.ok(!isValid(IntegrationSchema, invalid));
});

test('a violation of the message as a whole has the prefix alone as its path', () => {
  const empty = create(CheckConnectionRequestSchema);
  assert.deepEqual(
    violationsOf(CheckConnectionRequestSchema, empty).map(({ field }) => field),
    ['target'],
  );
  const mqtt = integration({
    ...VALID,
    configuration: { case: 'mqtt', value: { host: 'h', useMsgTopicName: false } },
  });
  assert.deepEqual(
    violationsOf(IntegrationSchema, mqtt).map(({ field }) => field),
    ['mqtt'],
  );
});

test('times without a form in JSON are refused at every depth', () => {
  const duration = integration({ ...VALID, delivery: { maxPause: { seconds: 1n, nanos: -5 } } });
  assert.throws(() => toJson(IntegrationSchema, duration));
  assert.deepEqual(
    violationsOf(IntegrationSchema, duration, 'integration').map(({ field }) => field),
    ['integration.delivery.max_pause'],
  );
  const timestamp = create(ListEventsRequestSchema, { filter: { startTime: { seconds: 253_402_300_800n } } });
  assert.throws(() => toJson(ListEventsRequestSchema, timestamp));
  assert.deepEqual(
    violationsOf(ListEventsRequestSchema, timestamp).map(({ field }) => field),
    ['filter.start_time'],
  );
  const listed = integration({
    ...VALID,
    status: { executors: [{}, { oldestAge: { nanos: 1_000_000_000 } }] },
  });
  assert.deepEqual(
    violationsOf(IntegrationSchema, listed).map(({ field }) => field),
    ['status.executors[1].oldest_age'],
  );
});

test('every valid policy can be written as JSON', () => {
  const seconds = fc.oneof(
    fc.bigInt({ min: -10n, max: 86_401n }),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  );
  const nanos = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
  fc.assert(
    fc.property(seconds, nanos, (s, n) => {
      const message = integration({ ...VALID, delivery: { maxPause: { seconds: s, nanos: n } } });
      if (isValid(IntegrationSchema, message)) toJson(IntegrationSchema, message);
    }),
  );
});

test('the types are the cases of the configuration', () => {
  assert.deepEqual(TYPES, ['http', 'mqtt', 'kafka']);
  assert.equal(typeOf(integration(VALID)), 'http');
  assert.throws(() => typeOf(integration({ name: 'n' })), /has no configuration/);
});

test('user properties are bounded by their number and by their bytes, and told with their path', () => {
  const violations = (userProperties: readonly { key: string; value: string }[]) =>
    violationsOf(
      PublishMessageRequestSchema,
      create(PublishMessageRequestSchema, { topicName: 't', userProperties: [...userProperties] }),
    );
  const property = { key: 'ä', value: 'x'.repeat(30) };
  assert.deepEqual(violations(Array(1000).fill(property)), []);
  const tooMany = violations(Array(1001).fill({ key: 'k', value: '' }));
  const tooLarge = violations([{ key: 'k'.repeat(32_768), value: 'ä'.repeat(16_385) }]);
  for (const [violation] of [tooMany, tooLarge]) assert.equal(violation?.field, 'user_properties');
  assert.match(tooLarge[0]?.description ?? '', /at most 65536 bytes/);
});

test('what MQTT could not carry on is refused by its path before it is taken in', () => {
  const wrong: readonly (readonly [MessageInitShape<typeof PublishMessageRequestSchema>, string, RegExp])[] =
    [
      [{ topicName: '' }, 'topic_name', /required/],
      [{ topicName: 'a/+' }, 'topic_name', /topic name/],
      [{ topicName: 'a\0' }, 'topic_name', /topic name/],
      [{ responseTopic: '' }, 'response_topic', /topic name: not empty/],
      [{ responseTopic: 'answers/#' }, 'response_topic', /topic name/],
      [{ responseTopic: 'answers/+/x' }, 'response_topic', /topic name/],
      [{ responseTopic: 'answers\0' }, 'response_topic', /topic name/],
      [{ responseTopic: 'ä'.repeat(32_768) }, 'response_topic', /65535 bytes/],
      [{ contentType: 'text\0' }, 'content_type', /no NUL/],
      [{ clientId: '\0' }, 'client_id', /no NUL/],
      [{ username: 'u\0' }, 'username', /no NUL/],
      [{ userProperties: [{ key: 'k', value: 'v\0' }] }, 'user_properties', /no NUL/],
      [{ userProperties: [{ key: '\0', value: '' }] }, 'user_properties', /no NUL/],
    ];
  for (const [init, field, description] of wrong) {
    const request = create(PublishMessageRequestSchema, { topicName: 't', ...init });
    const violations = violationsOf(PublishMessageRequestSchema, request);
    assert.deepEqual(
      violations.map((violation) => violation.field),
      [field],
    );
    assert.match(violations[0]?.description ?? '', description);
  }
  for (const init of [
    {},
    { responseTopic: '$share/g/answers' },
    { contentType: '' },
    { responseTopic: '/' },
  ]) {
    const request = create(PublishMessageRequestSchema, { topicName: 't', ...init });
    assert.deepEqual(violationsOf(PublishMessageRequestSchema, request), []);
  }
});
