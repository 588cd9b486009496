import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import { PayloadContentType } from '../../gen/penstock/v1/payload_pb.ts';
import { bodyWriter, UnencodableError } from '../../src/contract/body.ts';
import { isJsonTemplate } from '../../src/contract/template.ts';
import { templatedBodyWriter } from '../../src/contract/templated-body.ts';
import { uuidOfName } from '../../src/contract/uuid.ts';

const OPTIONS = {
  payloadContentType: PayloadContentType.JSON,
  sendBinaryOnParseFailure: true,
  sendOnlyMsgPayload: false,
  integrationName: 'an integration',
  metadata: { site: 'north' },
  serviceId: 'ie-0',
  missing: { rule: 'fail' as const, value: '' },
};

const source = (payload: string) => ({
  envelope: create(EnvelopeSchema, { topicName: 'a/b', clientId: 'c"1', payload: Buffer.from(payload) }),
  partition: 0,
  offset: 7,
  topicIncarnation: 1,
  integrationId: 'id',
  uuidOfName,
  ...OPTIONS,
});

const write = (bodyTemplate: string | undefined, payload = '{"t":21.50}') =>
  templatedBodyWriter({ ...OPTIONS, bodyTemplate })(source(payload));

test('without a template the body is that of the other writer', () => {
  for (const bodyTemplate of [undefined, '']) {
    for (const sendOnlyMsgPayload of [true, false]) {
      const options = { ...OPTIONS, sendOnlyMsgPayload };
      const wanted = bodyWriter(options)(source('{"t":1}').envelope);
      assert.deepEqual(templatedBodyWriter({ ...options, bodyTemplate })(source('{"t":1}')), wanted);
    }
  }
});

test('a JSON template gives JSON, whatever the values', () => {
  const { content, contentType } = write(' {"id": "${clientId}", "v": ${payload.t}, "all": ${payload}}');
  assert.equal(contentType, 'application/json');
  assert.equal(content, ' {"id": "c\\"1", "v": 21.50, "all": {"t":21.50}}');
});

test('any other template gives text', () => {
  const line = write('room,site=${metadata.site} t=${payload.t}');
  assert.deepEqual(line, { content: 'room,site=north t=21.50', contentType: 'text/plain; charset=utf-8' });
  assert.equal(write('${payload}').content, '{"t":21.50}');
  assert.equal(write('${clientId}').content, 'c"1');
});

test('a value that is missing makes the message unencodable', () => {
  assert.throws(() => write('{"v": ${payload.v}}'), UnencodableError);
  assert.throws(() => write('${payload.v}'), UnencodableError);
});

test('a template is JSON when it is an object or a list with values in their places', () => {
  for (const text of [
    '{}',
    '[]',
    '[${qos}]',
    '{"${topic}": ${payload}}',
    '{"a": "x${topic}$${y}"}',
    '\n[\n]\n',
  ]) {
    assert.ok(isJsonTemplate(text), text);
  }
  for (const text of [
    '',
    '${payload}',
    '"${topic}"',
    '1',
    '{"a": ${topic}',
    '{a: 1}',
    '{"a": x${topic}}',
    '[$${]',
  ]) {
    assert.ok(!isJsonTemplate(text), text);
  }
});
