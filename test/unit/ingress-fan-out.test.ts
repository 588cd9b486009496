import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { OrderSchema } from '../../gen/penstock/v1/delivery_pb.ts';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import { PublishMessageRequestSchema } from '../../gen/penstock/v1/message_service_pb.ts';
import { BusError, type BusErrorReason, type OutgoingRecord } from '../../src/bus/bus.ts';
import { createFanOut } from '../../src/ingress/fan-out.ts';
import { publishMessage } from '../../src/ingress/routes/publish-message.ts';
import { RpcError } from '../../src/rpc/error.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { testDeps } from '../helpers/test-deps.ts';

const message = {
  topicName: 'x',
  payload: new Uint8Array([1]),
  clientId: 'c',
  qos: 1,
  retain: false,
  userProperties: [],
};

/** A fan-out to `a` by client id and `b` by topic name, whose sends end when they are told to. */
function fanOut() {
  const sends: (OutgoingRecord & { topic: string; end: PromiseWithResolvers<void> })[] = [];
  const send = (topic: string, record: OutgoingRecord) => {
    const end = Promise.withResolvers<void>();
    sends.push({ topic, ...record, end });
    return end.promise;
  };
  const order = create(OrderSchema, { key: { case: 'topic', value: {} } });
  const match = (topicName: string) =>
    new Set(
      topicName === 'x'
        ? [
            { topic: 'a', order: undefined },
            { topic: 'b', order },
          ]
        : [],
    );
  const clock = new ManualClock();
  clock.advance(1234);
  let made = 0;
  const newId = () => new Uint8Array(16).fill(++made);
  return { sends, takeIn: createFanOut({ bus: { send }, filters: { match }, clock, node: 'n', newId }) };
}

test('a message goes to every integration that wants it, and is taken in once Kafka has it for all', async () => {
  const { sends, takeIn } = fanOut();
  let matches: number | undefined;
  const taken = takeIn(message).then((count) => {
    matches = count;
  });
  assert.deepEqual(
    sends.map(({ topic, key }) => [topic, key]),
    [
      ['a', 'c'],
      ['b', 'x'],
    ],
  );
  const envelope = fromBinary(EnvelopeSchema, sends[0]!.value!);
  assert.deepEqual([envelope.node, timestampMs(envelope.receivedTime!)], ['n', 1234]);
  sends[0]?.end.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(matches, undefined);
  sends[1]?.end.resolve();
  await taken;
  assert.equal(matches, 2);
});

test('a message has one id in every integration, and each message its own', () => {
  const { sends, takeIn } = fanOut();
  void takeIn(message);
  void takeIn(message);
  const ids = sends.map(({ value }) => fromBinary(EnvelopeSchema, value!).id);
  assert.deepEqual(
    ids.map((id) => Buffer.from(id).toString('hex')),
    ['01', '01', '02', '02'].map((byte) => byte.repeat(16)),
  );
});

test('a message that Kafka does not take for one of them is not taken in', async () => {
  const { sends, takeIn } = fanOut();
  const taken = takeIn(message);
  sends[0]?.end.resolve();
  sends[1]?.end.reject(new BusError('timeout', 'late'));
  await assert.rejects(taken, BusError);
});

test('the hops that were counted leave the user properties for a field of their own', async () => {
  const { sends, takeIn } = fanOut();
  const other = { key: 'a', value: '1' };
  const userProperties = [
    { key: 'penstock-hops', value: '2' },
    other,
    { key: 'penstock-hops', value: '4' },
    other,
  ];
  void takeIn({ ...message, userProperties });
  const { hopCount, ...envelope } = fromBinary(EnvelopeSchema, sends[0]!.value!);
  assert.equal(hopCount, 4);
  assert.deepEqual(
    envelope.userProperties.map(({ key, value }) => ({ key, value })),
    [other, other],
  );
});

test('a message that nobody wants is not encoded at all', async () => {
  const { sends, takeIn } = fanOut();
  assert.equal(await takeIn({ ...message, topicName: 'y' }), 0);
  assert.equal(sends.length, 0);
});

test('PublishMessage says what to do about a message that was not taken in', async () => {
  const reasons: [BusErrorReason, string][] = [
    ['full', 'RESOURCE_EXHAUSTED'],
    ['too-large', 'RESOURCE_EXHAUSTED'],
    ['timeout', 'UNAVAILABLE'],
    ['failed', 'UNAVAILABLE'],
  ];
  for (const [reason, expected] of reasons) {
    const takeIn = () => Promise.reject(new BusError(reason, 'no'));
    const handler = publishMessage({ ...testDeps(), takeIn });
    const request = create(PublishMessageRequestSchema, { topicName: 'x' });
    await assert.rejects(
      async () => handler(request, {} as never),
      (error) => {
        assert.ok(error instanceof RpcError);
        assert.equal(error.code, { RESOURCE_EXHAUSTED: 8, UNAVAILABLE: 14 }[expected]);
        return true;
      },
    );
  }
});
