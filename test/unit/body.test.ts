import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import { PayloadContentType } from '../../gen/penstock/v1/payload_pb.ts';
import { type BodyOptions, bodyWriter, UnencodableError } from '../../src/contract/body.ts';

const { JSON: AS_JSON, TEXT: AS_TEXT, BINARY: AS_BINARY, UNSPECIFIED } = PayloadContentType;

const OPTIONS: BodyOptions = {
  payloadContentType: AS_JSON,
  sendBinaryOnParseFailure: true,
  sendOnlyMsgPayload: false,
  integrationName: 'to http',
  metadata: {},
  serviceId: 'ie-0',
};

const payloadOf = (payload: string | Uint8Array) =>
  typeof payload === 'string' ? Buffer.from(payload) : payload;

/** The body of an envelope that went over the wire, as an executor gets it. */
function write(
  payload: string | Uint8Array,
  options: Partial<BodyOptions> = {},
  envelope: MessageInitShape<typeof EnvelopeSchema> = {},
) {
  const init = create(EnvelopeSchema, { topicName: 'a/b', payload: payloadOf(payload), ...envelope });
  const received = fromBinary(EnvelopeSchema, toBinary(EnvelopeSchema, init));
  return bodyWriter({ ...OPTIONS, ...options })(received);
}

/** The body as text and as JSON; the content type must be that of the envelope. */
function writeEnvelope(...args: Parameters<typeof write>) {
  const { content, contentType } = write(...args);
  assert.equal(contentType, 'application/json');
  assert.equal(typeof content, 'string');
  return { text: content as string, json: JSON.parse(content as string) };
}

test('the envelope has the fields of profile tbmq, in their order', () => {
  const { json } = writeEnvelope(
    '{"temperature":25}',
    { metadata: { site: 'north', floor: '2' } },
    {
      topicName: 'sensors/1',
      clientId: 'c1',
      username: 'me',
      clientCertCn: 'device-1',
      qos: 1,
      retain: true,
      userProperties: [{ key: 'k', value: 'v' }],
      contentType: 'application/json',
      responseTopic: 'answers',
      correlationData: Buffer.from('7'),
      messageExpiryInterval: 60,
      payloadFormatIndicator: 1,
      receivedTime: timestampFromMs(1_742_554_969_254),
      node: 'node-0',
      hopCount: 2,
    },
  );
  const wanted = {
    payload: { temperature: 25 },
    topicName: 'sensors/1',
    clientId: 'c1',
    eventType: 'PUBLISH_MSG',
    qos: 1,
    retain: true,
    tbmqIeNode: 'ie-0',
    tbmqNode: 'node-0',
    ts: 1_742_554_969_254,
    clientCertCn: 'device-1',
    username: 'me',
    props: { k: 'v' },
    metadata: { integrationName: 'to http', site: 'north', floor: '2' },
  };
  assert.deepEqual(json, wanted);
  assert.deepEqual(Object.keys(json), Object.keys(wanted));
});

test('the envelope of a plain publication is the documented one, byte for byte', () => {
  const { text } = writeEnvelope(
    '{"temperature":25}',
    { payloadContentType: AS_BINARY, integrationName: 'MQTT integration' },
    {
      topicName: 'tbmq/x',
      clientId: 'c1',
      qos: 1,
      node: 'node-0',
      receivedTime: timestampFromMs(1742554969254),
    },
  );
  assert.equal(
    text,
    '{"payload":"eyJ0ZW1wZXJhdHVyZSI6MjV9","topicName":"tbmq/x","clientId":"c1","eventType":"PUBLISH_MSG","qos":1,' +
      '"retain":false,"tbmqIeNode":"ie-0","tbmqNode":"node-0","ts":1742554969254,"props":{},' +
      '"metadata":{"integrationName":"MQTT integration"}}',
  );
});

test('an empty user name is a user name; without one there is no field', () => {
  assert.equal(writeEnvelope('1', {}, { username: '' }).json.username, '');
  const { json } = writeEnvelope('1');
  assert.ok(!('username' in json));
  assert.ok(!('clientCertCn' in json));
});

const NOT_UTF8 = Buffer.from([0xff, 0xfe, 0x00]);
const base64 = (payload: string | Uint8Array) => Buffer.from(payloadOf(payload)).toString('base64');
const JSON_TYPE = 'application/json';
const TEXT_TYPE = 'text/plain; charset=utf-8';
const BYTES_TYPE = 'application/octet-stream';

/** The payload, how it is written, the payload's value in the envelope, and the content type of the payload alone. */
const WRITTEN = [
  ['{"a":[1,null]}', 'JSON', { a: [1, null] }, JSON_TYPE],
  ['"text"', 'JSON', 'text', JSON_TYPE],
  [' 25\n', 'JSON', 25, JSON_TYPE],
  ['null', 'JSON', null, JSON_TYPE],
  ['grüße "\u0000"\n', 'TEXT', 'grüße "\u0000"\n', TEXT_TYPE],
  ['', 'TEXT', '', TEXT_TYPE],
  ['\ufefftext', 'TEXT', '\ufefftext', TEXT_TYPE],
  ['{"a":1}', 'TEXT', '{"a":1}', TEXT_TYPE],
  ['{"a":1}', 'BINARY', base64('{"a":1}'), BYTES_TYPE],
  ['{"a":1}', 'UNSPECIFIED', base64('{"a":1}'), BYTES_TYPE],
  [NOT_UTF8, 'BINARY', base64(NOT_UTF8), BYTES_TYPE],
  ['', 'BINARY', '', BYTES_TYPE],
] as const;

for (const [payload, type, inEnvelope, contentType] of WRITTEN) {
  const payloadContentType = PayloadContentType[type];
  test(`${type} ${JSON.stringify(payload)} is written as it is`, () => {
    for (const sendBinaryOnParseFailure of [true, false]) {
      const options = { payloadContentType, sendBinaryOnParseFailure };
      assert.deepEqual(writeEnvelope(payload, options).json.payload, inEnvelope);
      const alone = write(payload, { ...options, sendOnlyMsgPayload: true });
      assert.equal(alone.contentType, contentType);
      assert.deepEqual(Buffer.from(alone.content), Buffer.from(payloadOf(payload)));
    }
  });
}

function isJson(payload: Uint8Array): boolean {
  try {
    JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload));
    return true;
  } catch {
    return false;
  }
}

const INVALID = [
  ['{"a":', 'JSON'],
  ['', 'JSON'],
  ['NaN', 'JSON'],
  ['{"a":1} {"b":2}', 'JSON'],
  ['\ufeff{"a":1}', 'JSON'],
  ['"}, "qos": 9, "x": {"', 'JSON'],
  [NOT_UTF8, 'JSON'],
  [NOT_UTF8, 'TEXT'],
  [Buffer.from([0xed, 0xa0, 0x80]), 'TEXT'], // a surrogate
] as const;

for (const [payload, type] of INVALID) {
  const payloadContentType = PayloadContentType[type];
  test(`${JSON.stringify(payload)} is not ${type}: binary, or unencodable`, () => {
    assert.equal(writeEnvelope(payload, { payloadContentType }).json.payload, base64(payload));
    const alone = write(payload, { payloadContentType, sendOnlyMsgPayload: true });
    assert.equal(alone.contentType, 'application/octet-stream');
    assert.deepEqual(Buffer.from(alone.content), Buffer.from(payloadOf(payload)));
    for (const sendOnlyMsgPayload of [true, false]) {
      const strict = { payloadContentType, sendOnlyMsgPayload, sendBinaryOnParseFailure: false };
      assert.throws(() => write(payload, strict), UnencodableError);
    }
  });
}

test('numbers keep all their digits', () => {
  for (const digits of [
    '9007199254740993',
    '18446744073709551615',
    '1.10',
    '1e400',
    '-0',
    '0.1000000000000000055',
  ]) {
    const payload = `{"n": ${digits}}`;
    assert.ok(writeEnvelope(payload).text.startsWith(`{"payload":${payload},"topicName"`));
    assert.deepEqual(Buffer.from(write(payload, { sendOnlyMsgPayload: true }).content), Buffer.from(payload));
  }
});

test('a deeply nested payload is JSON like any other', () => {
  const payload = '['.repeat(100_000) + ']'.repeat(100_000);
  assert.ok(write(payload).content.toString().startsWith(`{"payload":${payload},`));
});

test('of repeated user properties the last counts, whatever their names', () => {
  const userProperties = [
    { key: 'a', value: '1' },
    { key: '__proto__', value: 'mine' },
    { key: 'a', value: '2' },
    { key: 'constructor', value: 'c' },
    { key: '', value: 'no name' },
    { key: '"\n', value: '\u2028"' },
  ];
  const { text, json } = writeEnvelope('1', {}, { userProperties });
  assert.ok(text.includes('"__proto__":"mine"'));
  const wanted = [
    ['a', '2'],
    ['__proto__', 'mine'],
    ['constructor', 'c'],
    ['', 'no name'],
    ['"\n', '\u2028"'],
  ];
  assert.deepEqual(Object.entries(json.props), wanted);
});

test('configured metadata may name the integration otherwise', () => {
  const { json } = writeEnvelope('1', { metadata: { integrationName: 'mine' } });
  assert.deepEqual(json.metadata, { integrationName: 'mine' });
});

test('random bytes come back byte for byte, as whatever and in whatever they are written', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    fc.string({ unit: 'binary' }).map(payloadOf),
    fc.json().map(payloadOf),
  );
  fc.assert(
    fc.property(bytes, (payload) => {
      const buffer = Buffer.from(payload);
      const isText = Buffer.from(buffer.toString('utf8')).equals(buffer);
      for (const payloadContentType of [AS_JSON, AS_TEXT, AS_BINARY, UNSPECIFIED]) {
        const alone = write(payload, { payloadContentType, sendOnlyMsgPayload: true });
        assert.deepEqual(Buffer.from(alone.content), buffer);
        const { text, json } = writeEnvelope(payload, { payloadContentType });
        if (payloadContentType === AS_JSON && isJson(payload)) {
          assert.ok(text.startsWith(`{"payload":${buffer.toString('utf8')},"topicName":`));
        } else if (payloadContentType === AS_TEXT && isText)
          assert.deepEqual(Buffer.from(json.payload), buffer);
        else assert.deepEqual(Buffer.from(json.payload, 'base64'), buffer);
      }
    }),
    { numRuns: 500 },
  );
});

test('whatever the message, the envelope is valid JSON and the payload comes back byte for byte', () => {
  const text = fc.string({ unit: 'grapheme' });
  const envelopes = fc.record({
    topicName: text,
    clientId: text,
    username: fc.option(text, { nil: undefined }),
    clientCertCn: fc.option(text, { nil: undefined }),
    node: text,
    qos: fc.integer({ min: 0, max: 2 }),
    retain: fc.boolean(),
    userProperties: fc.array(fc.record({ key: text, value: text })),
  });
  const types = fc.constantFrom(AS_JSON, AS_TEXT, AS_BINARY, UNSPECIFIED);
  const payloads = fc.oneof(fc.uint8Array({ maxLength: 100 }), fc.json().map(payloadOf), text.map(payloadOf));
  fc.assert(
    fc.property(envelopes, types, payloads, (envelope, payloadContentType, payload) => {
      const { username, clientCertCn, ...always } = envelope;
      const init = {
        ...always,
        ...(username === undefined ? {} : { username }),
        ...(clientCertCn === undefined ? {} : { clientCertCn }),
      };
      const { json } = writeEnvelope(payload, { payloadContentType }, init);
      for (const name of ['topicName', 'clientId', 'qos', 'retain', 'username', 'clientCertCn'] as const) {
        assert.deepEqual(json[name], envelope[name]);
      }
      assert.equal(json.tbmqNode, envelope.node);
      for (const { key, value } of new Map(envelope.userProperties.map((one) => [one.key, one])).values()) {
        assert.equal(Object.getOwnPropertyDescriptor(json.props, key)?.value, value);
      }
      const binary = writeEnvelope(payload, { payloadContentType: AS_BINARY }, init).json.payload;
      assert.deepEqual(Buffer.from(binary, 'base64'), Buffer.from(payload));
      const alone = write(payload, { payloadContentType, sendOnlyMsgPayload: true }, init);
      assert.deepEqual(Buffer.from(alone.content), Buffer.from(payload));
    }),
  );
});
