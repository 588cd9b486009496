import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import { createEnvelopeEncoder, type PublishedMessage } from '../../src/contract/encode-envelope.ts';

const text = fc.string({ unit: 'binary', maxLength: 200 });
const bytes = fc.uint8Array({ maxLength: 300 });
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

const anyMessage: fc.Arbitrary<PublishedMessage> = fc.record({
  topicName: text,
  payload: bytes,
  clientId: text,
  username: maybe(text),
  clientCertCn: maybe(text),
  qos: fc.integer({ min: 0, max: 2 }),
  retain: fc.boolean(),
  userProperties: fc.array(fc.record({ key: text, value: text }), { maxLength: 5 }),
  contentType: maybe(text),
  responseTopic: maybe(text),
  correlationData: maybe(bytes),
  messageExpiryInterval: maybe(uint32),
  payloadFormatIndicator: maybe(fc.integer({ min: 0, max: 1 })),
  hopCount: maybe(uint32),
});

test('an encoded envelope is, byte for byte, what toBinary makes', () => {
  const encode = createEnvelopeEncoder();
  const times = fc.integer({ min: 0, max: Date.UTC(2100, 0) });
  const ids = fc.uint8Array({ minLength: 16, maxLength: 16 });
  fc.assert(
    fc.property(anyMessage, times, text, ids, (message, receivedTime, node, id) => {
      const envelope = create(EnvelopeSchema, {
        ...(message as object),
        receivedTime: timestampFromMs(receivedTime),
        node,
        id,
      });
      const expected = Buffer.from(toBinary(EnvelopeSchema, envelope));
      assert.deepEqual(Buffer.from(encode(message, { receivedTime, node, id })), expected);
    }),
    { numRuns: 300 },
  );
});

test('an envelope that cannot be encoded leaves nothing behind in the next one', () => {
  const encode = createEnvelopeEncoder();
  const reception = { receivedTime: 1, node: 'n', id: new Uint8Array(16) };
  const message = {
    topicName: 't',
    payload: new Uint8Array([1]),
    clientId: 'c',
    qos: 0,
    retain: false,
    userProperties: [],
  };
  const expected = encode(message, reception);
  assert.throws(() => encode({ ...message, messageExpiryInterval: -1 }, reception));
  assert.deepEqual(encode(message, reception), expected);
  const large = encode({ ...message, payload: new Uint8Array(1 << 20) }, reception);
  assert.equal(large.length > 1 << 20, true);
  assert.deepEqual(encode(message, reception), expected);
});
