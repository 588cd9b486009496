import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { generate, type Packet } from 'mqtt-packet';
import { readConnect } from '../../src/ingress/listener/connect-packet.ts';
import { type Frame, Framer } from '../../src/ingress/listener/framer.ts';
import { MqttError, ReasonCode } from '../../src/ingress/listener/protocol.ts';
import { readPublish } from '../../src/ingress/listener/publish-packet.ts';

const MAX = 4096;
const text = fc.string({ unit: fc.constantFrom('a', 'ä', '€', '𝄞', ' '), minLength: 1, maxLength: 20 });
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const qos = fc.constantFrom(0, 1, 2) as fc.Arbitrary<0 | 1 | 2>;
const version = fc.constantFrom(4, 5) as fc.Arbitrary<4 | 5>;

const properties = fc.record(
  {
    payloadFormatIndicator: fc.boolean(),
    messageExpiryInterval: fc.integer({ min: 1, max: 0xffff_ffff }),
    contentType: text,
    responseTopic: text,
    correlationData: bytes,
  },
  { requiredKeys: [] },
);
const publish = fc.record({
  cmd: fc.constant('publish' as const),
  topic: text,
  payload: bytes,
  qos,
  retain: fc.boolean(),
  dup: fc.constant(false),
  messageId: fc.integer({ min: 1, max: 65_535 }),
  properties,
});
const connect = fc.record({
  cmd: fc.constant('connect' as const),
  protocolId: fc.constant('MQTT' as const),
  clientId: text,
  clean: fc.boolean(),
  keepalive: fc.integer({ min: 0, max: 65_535 }),
  username: text,
  password: bytes,
  will: fc.record({
    topic: text,
    payload: bytes.filter(({ length }) => length > 0),
    qos,
    retain: fc.boolean(),
    properties,
  }),
});

/** All frames of a stream that arrives in pieces that end at `cuts`. */
function framesOf(stream: Buffer, cuts: readonly number[]): Frame[] {
  const framer = new Framer(MAX);
  const frames: Frame[] = [];
  const ends = [...cuts.map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b), stream.length];
  let start = 0;
  for (const end of ends) {
    framer.push(stream.subarray(start, end));
    start = end;
    for (let frame = framer.next(); frame !== undefined; frame = framer.next()) frames.push(frame);
  }
  return frames;
}

const onlyMqttErrors = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    if (!(error instanceof MqttError)) throw error;
  }
};

test('packets come out of a stream as they went in, wherever it is cut', () => {
  fc.assert(
    fc.property(
      fc.array(publish, { maxLength: 8 }),
      version,
      fc.array(fc.nat()),
      (packets, protocolVersion, cuts) => {
        const stream = Buffer.concat(packets.map((packet) => generate(packet, { protocolVersion })));
        const read = framesOf(stream, cuts).map((frame) => readPublish(frame, protocolVersion));
        assert.equal(read.length, packets.length);
        for (const [index, sent] of packets.entries()) {
          const { properties: got, ...packet } = read[index]!;
          assert.deepEqual(
            [packet.topicName, packet.qos, packet.retain, packet.packetId],
            [sent.topic, sent.qos, sent.retain, sent.qos === 0 ? 0 : sent.messageId],
          );
          assert.deepEqual(Buffer.from(packet.payload), sent.payload);
          const { payloadFormatIndicator: utf8, ...expected } = protocolVersion === 5 ? sent.properties : {};
          assert.deepEqual(
            { ...got, ...(got.correlationData && { correlationData: Buffer.from(got.correlationData) }) },
            {
              userProperties: [],
              ...(utf8 !== undefined && { payloadFormatIndicator: Number(utf8) }),
              ...expected,
            },
          );
        }
      },
    ),
  );
});

/** One of each type that a client may send, and headers that are longer than they need to be. */
const OF_EACH_TYPE = {
  CONNECT: '10 0d 00044d51545404020000 000161',
  'PUBLISH of QoS 0': '30 05 0003612f62',
  'PUBLISH of QoS 2, empty': '34 07 0003612f620001',
  'PUBLISH of 200 bytes': `30 c801 0003612f62${'61'.repeat(195)}`,
  PUBREL: '62 02 0005',
  SUBSCRIBE: '82 08 0001 0003612f62 00',
  UNSUBSCRIBE: 'a2 07 0001 0003612f62',
  PINGREQ: 'c0 00',
  'PINGREQ with a length of four bytes': 'c0 80808000',
  DISCONNECT: 'e0 00',
  'DISCONNECT with a length of two bytes': 'e0 8000',
  'DISCONNECT with a reason': 'e0 01 04',
};

for (const [name, hex] of Object.entries(OF_EACH_TYPE)) {
  test(`wherever it is cut, ${name} is there with its last byte, and with what comes right behind it`, () => {
    const packet = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    const wholes = (stream: Buffer, cuts: readonly number[]) =>
      framesOf(stream, cuts).map(({ whole }) => whole.toString('hex'));
    const expected = packet.toString('hex');
    for (let cut = 1; cut < packet.length; cut++) assert.deepEqual(wholes(packet, [cut]), [expected]);
    const everywhere = Array.from(packet, (_, index) => index);
    assert.deepEqual(wholes(packet, everywhere), [expected]);
    const twice = Buffer.concat([packet, packet]);
    for (let cut = 1; cut < twice.length; cut++) {
      assert.deepEqual(wholes(twice, [cut]), [expected, expected], `cut at ${cut}`);
    }
  });
}

test('CONNECT is read as it was written', () => {
  fc.assert(
    fc.property(connect, version, (packet, protocolVersion) => {
      const bytes = generate({ ...packet, protocolVersion } as Packet, { protocolVersion });
      const read = readConnect(framesOf(bytes, [])[0]!);
      assert.deepEqual(
        [read.version, read.clientId, read.isClean, read.keepAlive, read.username],
        [protocolVersion, packet.clientId, packet.clean, packet.keepalive, packet.username],
      );
      const will = read.will?.message;
      assert.deepEqual(
        [will?.topicName, will?.qos, will?.retain, will?.clientId, will?.username],
        [packet.will.topic, packet.will.qos, packet.will.retain, packet.clientId, packet.username],
      );
      assert.deepEqual(Buffer.from(will!.payload), packet.will.payload);
      if (protocolVersion === 5) assert.equal(will?.contentType, packet.will.properties.contentType);
    }),
  );
});

test('whatever comes, nothing but an MqttError is thrown', () => {
  const valid = fc.oneof(
    fc.tuple(publish, version).map(([packet, protocolVersion]) => generate(packet, { protocolVersion })),
    fc
      .tuple(connect, version)
      .map(([packet, protocolVersion]) =>
        generate({ ...packet, protocolVersion } as Packet, { protocolVersion }),
      ),
  );
  const change = fc.record({ at: fc.nat(), to: fc.nat({ max: 255 }) });
  const mutated = fc
    .tuple(valid, fc.array(change, { minLength: 1, maxLength: 4 }))
    .map(([packet, changes]) => {
      for (const { at, to } of changes) packet[at % packet.length] = to;
      return packet;
    });
  fc.assert(
    fc.property(fc.oneof(mutated, bytes), version, (stream, protocolVersion) => {
      let frames: Frame[] = [];
      onlyMqttErrors(() => {
        frames = framesOf(stream, []);
      });
      for (const frame of frames) {
        onlyMqttErrors(() => readConnect(frame));
        onlyMqttErrors(() => readPublish(frame, protocolVersion));
      }
    }),
    { numRuns: 1000 },
  );
});

test('a packet that says it is too large is refused before it is there; one as large as allowed is not', () => {
  const framer = new Framer(MAX);
  framer.push(Buffer.from([0x30, 0xfe, 0x1f])); // 4094 + 3 bytes
  assert.throws(() => framer.next(), { reasonCode: ReasonCode.PACKET_TOO_LARGE });
  const [frame] = framesOf(
    Buffer.concat([Buffer.from([0x30, 0xfd, 0x1f]), Buffer.alloc(4093)]),
    [1, 2, 2000],
  );
  assert.equal(frame?.whole.length, MAX);
});
