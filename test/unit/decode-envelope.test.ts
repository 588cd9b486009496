import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, equals, fromBinary, type MessageInitShape, toBinary, toJson } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import { decodeEnvelope } from '../../src/contract/decode-envelope.ts';

const text = fc.string({ unit: 'binary', maxLength: 100 });
const bytes = fc.uint8Array({ maxLength: 200 });
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });

const anyEnvelope: fc.Arbitrary<MessageInitShape<typeof EnvelopeSchema>> = fc.record(
  {
    topicName: text,
    payload: bytes,
    clientId: text,
    username: text,
    clientCertCn: text,
    qos: uint32,
    retain: fc.boolean(),
    userProperties: fc.array(fc.record({ key: text, value: text }), { maxLength: 4 }),
    contentType: text,
    responseTopic: text,
    correlationData: bytes,
    messageExpiryInterval: uint32,
    payloadFormatIndicator: uint32,
    receivedTime: fc.record({
      seconds: fc.bigInt({ min: -62_135_596_800n, max: 253_402_300_799n }),
      nanos: fc.integer({ min: 0, max: 999_999_999 }),
    }),
    node: text,
    hopCount: uint32,
    id: fc.uint8Array({ maxLength: 20 }),
  },
  { requiredKeys: [] },
);

/** What a decoder makes of bytes: the message as text, or that it is not one. */
function outcome(decode: () => ReturnType<typeof decodeEnvelope>): string {
  try {
    const message = decode();
    return `${JSON.stringify(toJson(EnvelopeSchema, message))} ${Object.keys(message).length}`;
  } catch (error) {
    return `throws ${(error as Error).message}`;
  }
}

test('an envelope is decoded to what fromBinary makes of it', () => {
  fc.assert(
    fc.property(anyEnvelope, (init) => {
      const encoded = Buffer.from(toBinary(EnvelopeSchema, create(EnvelopeSchema, init)));
      const decoded = decodeEnvelope(encoded);
      assert.ok(equals(EnvelopeSchema, decoded, fromBinary(EnvelopeSchema, encoded)));
      assert.deepEqual(Buffer.from(toBinary(EnvelopeSchema, decoded)), encoded);
    }),
    { numRuns: 500 },
  );
});

test('what is damaged, or from a newer version, is decoded or refused as by fromBinary', () => {
  const damage = fc.array(fc.tuple(fc.nat(300), fc.nat(255)), { minLength: 0, maxLength: 3 });
  fc.assert(
    fc.property(anyEnvelope, damage, fc.nat(20), bytes, (init, changes, cut, more) => {
      const whole = Buffer.from(toBinary(EnvelopeSchema, create(EnvelopeSchema, init)));
      const encoded = Buffer.concat([whole.subarray(0, Math.max(0, whole.length - cut)), more]);
      for (const [at, byte] of changes) if (at < encoded.length) encoded[at] = byte;
      assert.equal(
        outcome(() => decodeEnvelope(encoded)),
        outcome(() => fromBinary(EnvelopeSchema, encoded)),
      );
    }),
    { numRuns: 2000 },
  );
});

test('an envelope with more user properties than a message may have is refused before they are in memory', () => {
  const encoded = (count: number, value: string, unusual = '') => {
    const userProperties = Array.from({ length: count }, () => ({ key: '', value }));
    return Buffer.concat([
      Buffer.from(unusual, 'hex'),
      toBinary(EnvelopeSchema, create(EnvelopeSchema, { topicName: 't', userProperties })),
    ]);
  };
  const unknownField = 'f80701';
  for (const before of ['', unknownField]) {
    assert.equal(decodeEnvelope(encoded(1000, '€'.repeat(21), before)).userProperties.length, 1000);
    assert.throws(() => decodeEnvelope(encoded(1001, '', before)), { name: 'TooManyProperties' });
    assert.throws(() => decodeEnvelope(encoded(2, 'x'.repeat(32_769), before)), {
      name: 'TooManyProperties',
    });
  }
});
