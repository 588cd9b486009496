import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { OrderSchema } from '../../gen/penstock/v1/delivery_pb.ts';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import { PublishMessageRequestSchema } from '../../gen/penstock/v1/message_service_pb.ts';
import { BusError, type BusErrorReason, type Copies } from '../../src/bus/bus.ts';
import { Lane } from '../../src/bus/lane.ts';
import { uuidText } from '../../src/contract/uuid-text.ts';
import { createFanOut } from '../../src/ingress/fan-out.ts';
import { publishMessage } from '../../src/ingress/routes/publish-message.ts';
import { RpcError } from '../../src/rpc/error.ts';
import { ByteLimit } from '../../src/runtime/byte-limit.ts';
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

/** A fan-out to `a` by client id and `b` by topic name; what it sends ends when it is told to. */
function fanOut() {
  const sent: (Copies & { end: PromiseWithResolvers<void> })[] = [];
  const sendCopies = (copies: Copies) => {
    const end = Promise.withResolvers<void>();
    sent.push({ ...copies, end });
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
  return { sent, takeIn: createFanOut({ bus: { sendCopies }, filters: { match }, clock, node: 'n', newId }) };
}

test('a message of QoS 2 of a client is asked for until it is known whether Kafka has it', () => {
  const { sent, takeIn } = fanOut();
  void takeIn({ ...message, qos: 2 }, new Lane());
  void takeIn(message, new Lane());
  void takeIn({ ...message, qos: 2 });
  assert.deepEqual(
    sent.map(({ isOnce }) => isOnce),
    [true, undefined, undefined],
  );
});

test('a message goes to every integration that wants it, and is taken in once Kafka has it for all', async () => {
  const { sent, takeIn } = fanOut();
  let matches: number | undefined;
  const lane = new Lane();
  const taken = takeIn(message, lane).then((count) => {
    matches = count;
  });
  assert.equal(sent.length, 1, 'all copies or none');
  const [copies] = sent;
  assert.deepEqual(copies?.to, [
    { topic: 'a', key: 'c' },
    { topic: 'b', key: 'x' },
  ]);
  assert.equal(copies.lane, lane);
  const envelope = fromBinary(EnvelopeSchema, copies.value);
  assert.deepEqual([envelope.node, timestampMs(envelope.receivedTime!)], ['n', 1234]);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(matches, undefined);
  copies.end.resolve();
  await taken;
  assert.equal(matches, 2);
});

test('a message has one id in every integration, and each message its own', () => {
  const { sent, takeIn } = fanOut();
  void takeIn(message);
  void takeIn(message);
  const ids = sent.map(({ value }) => fromBinary(EnvelopeSchema, value).id);
  assert.deepEqual(
    ids.map((id) => Buffer.from(id).toString('hex')),
    ['01', '02'].map((byte) => byte.repeat(16)),
  );
});

test('PublishMessage keeps the id that its caller gives the message, also when it is sent again', async () => {
  const { sent, takeIn } = fanOut();
  const handler = publishMessage({ ...testDeps(), takeIn, waiting: new ByteLimit(1_000_000) });
  const id = '6f3c1f0e-8b0a-4e57-9c5b-0f6f2f5c9a11';
  for (const given of [id, id, '']) {
    void handler(create(PublishMessageRequestSchema, { topicName: 'x', id: given }), {} as never);
  }
  assert.deepEqual(
    sent.map(({ value }) => uuidText(fromBinary(EnvelopeSchema, value).id)),
    [id, id, uuidText(new Uint8Array(16).fill(1))],
  );
});

test('an integration that has a message already does not get it again, and all who have it count', async () => {
  const { sent, takeIn } = fanOut();
  const there = new Set<string>();
  const first = takeIn(message, new Lane(), there);
  sent[0]?.there?.add('a');
  sent[0]?.end.reject(new BusError('timeout', 'late'));
  await assert.rejects(first, BusError);
  const again = takeIn(message, new Lane(), there);
  assert.deepEqual(
    sent[1]?.to.map(({ topic }) => topic),
    ['b'],
  );
  sent[1]?.end.resolve();
  assert.equal(await again, 2);
});

test('a message that Kafka does not take for one of them is not taken in', async () => {
  const { sent, takeIn } = fanOut();
  const taken = takeIn(message);
  sent[0]?.end.reject(new BusError('timeout', 'late'));
  await assert.rejects(taken, BusError);
});

test('the hops that were counted leave the user properties for a field of their own', async () => {
  const { sent, takeIn } = fanOut();
  const other = { key: 'a', value: '1' };
  const userProperties = [
    { key: 'penstock-hops', value: '2' },
    other,
    { key: 'penstock-hops', value: '4' },
    other,
  ];
  void takeIn({ ...message, userProperties });
  const { hopCount, ...envelope } = fromBinary(EnvelopeSchema, sent[0]!.value);
  assert.equal(hopCount, 4);
  assert.deepEqual(
    envelope.userProperties.map(({ key, value }) => ({ key, value })),
    [other, other],
  );
});

test('a message that nobody wants is not encoded at all', async () => {
  const { sent, takeIn } = fanOut();
  assert.equal(await takeIn({ ...message, topicName: 'y' }), 0);
  assert.equal(sent.length, 0);
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
    const handler = publishMessage({ ...testDeps(), takeIn, waiting: new ByteLimit(1) });
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

test('PublishMessage takes nothing in while too much waits for Kafka', async () => {
  const waiting = new ByteLimit(1);
  const takeIn = async () => 1;
  const handler = publishMessage({ ...testDeps(), takeIn, waiting });
  const request = create(PublishMessageRequestSchema, { topicName: 'x' });
  waiting.add(1);
  await assert.rejects(async () => handler(request, {} as never), { code: Code.RESOURCE_EXHAUSTED });
  waiting.remove(1);
  assert.deepEqual(await handler(request, {} as never), { matchedIntegrations: 1 });
});
