import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { MqttTransport } from '../../gen/penstock/v1/mqtt_pb.ts';
import { PayloadContentType } from '../../gen/penstock/v1/payload_pb.ts';
import { HOPS } from '../../src/contract/hops.ts';
import { DELIVERED, WRITTEN } from '../../src/executor/handlers/handler.ts';
import { bound, connected, contextOf, never, outbound } from '../helpers/handler.ts';
import { mosquitto } from '../helpers/mosquitto.ts';
import { type MqttInit, message, toBroker } from '../helpers/mqtt-handler.ts';
import { mqttClient } from '../helpers/mqtt-listener.ts';
import { type RawMqttBroker, rawMqttBroker } from '../helpers/raw-mqtt-broker.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const VERSIONS = [3, 4, 5] as const;
const { TCP, WEBSOCKET } = MqttTransport;

test('every version delivers every QoS over TCP and WebSocket to mosquitto', async (t) => {
  const broker = await mosquitto(t, { listeners: [[], ['protocol websockets']] });
  const subscriber = await mqttClient(t, `127.0.0.1:${broker.port}`, { protocolVersion: 5 });
  const got: string[] = [];
  subscriber.on('message', (_, payload, { qos }) => got.push(`${payload} at QoS ${qos}`));
  await subscriber.subscribeAsync('#', { qos: 2 });
  const sent: string[] = [];
  for (const mqttVersion of VERSIONS) {
    for (const [i, transport] of [TCP, WEBSOCKET].entries()) {
      for (const qos of [0, 1, 2]) {
        const handler = await connected(t, toBroker(broker.ports[i]!, { mqttVersion, transport, qos }));
        const payloads = [1, 2, 3].map((n) => `${mqttVersion}/${transport}/${n}`);
        assert.deepEqual(
          await handler.deliver(
            payloads.map((payload) => outbound(payload)),
            never,
          ),
          payloads.map(() => (qos === 0 ? WRITTEN : DELIVERED)),
        );
        await handler[Symbol.asyncDispose]();
        sent.push(...payloads.map((payload) => `${payload} at QoS ${qos}`));
      }
    }
  }
  await waitUntil('all arrived', () => got.length >= sent.length);
  assert.deepEqual(got, sent);
});

test('a large message passes over WebSocket as it is', async (t) => {
  const broker = await mosquitto(t, { listeners: [[], ['protocol websockets']] });
  const subscriber = await mqttClient(t, `127.0.0.1:${broker.port}`, {});
  const got: Buffer[] = [];
  subscriber.on('message', (_, payload) => got.push(payload));
  await subscriber.subscribeAsync('#');
  const handler = await connected(t, toBroker(broker.ports[1]!, { transport: WEBSOCKET }));
  const payload = Buffer.alloc(5_000_000, 'all sorts of bytes \0\xff');
  assert.deepEqual(await handler.deliver([message({ payload })], never), [DELIVERED]);
  await waitUntil('it arrived', () => got.length === 1);
  assert.ok(payload.equals(got[0]!));
});

/** What a broker gets of one message. */
async function published(broker: RawMqttBroker, value: MqttInit, init: Parameters<typeof message>[0]) {
  const handler = bound(toBroker(broker.port, value)).create(contextOf({ metadata: { site: 'north' } }));
  await handler.connect(never);
  const [outcome] = await handler.deliver([message(init)], never);
  await handler[Symbol.asyncDispose]();
  const packet = broker.published.at(-1)!;
  assert.deepEqual(outcome, packet.qos === 0 ? WRITTEN : DELIVERED);
  return packet;
}

test('topic, QoS and RETAIN are those of the message, or fixed', async (t) => {
  const broker = await rawMqttBroker(t);
  const init = { topicName: 'tbmq/mqtt', clientId: 'meter 7', qos: 2, retain: true };
  const rows: readonly (readonly [MqttInit, string])[] = [
    [{}, 'tbmq/mqtt 1 true'],
    [{ useMsgQos: true }, 'tbmq/mqtt 2 true'],
    [{ topicName: 'fixed', useMsgTopicName: false }, 'fixed 1 true'],
    [{ topicName: 'fixed' }, 'fixed 1 true'],
    [{ topicName: 'fixed', useMsgTopicName: true }, 'tbmq/mqtt 1 true'],
    [{ topicName: 'pub/${topic}' }, 'pub/tbmq/mqtt 1 true'],
    [{ topicName: '${clientId}/${topic[1]}/${metadata.site}' }, 'meter 7/mqtt/north 1 true'],
    [{ qos: 0, useMsgRetain: false }, 'tbmq/mqtt 0 false'],
    [{ qos: 0, useMsgQos: false, retained: true }, 'tbmq/mqtt 0 true'],
    [{ qos: 2, useMsgRetain: true }, 'tbmq/mqtt 2 true'],
  ];
  for (const [value, expected] of rows) {
    const { topicName, qos, retain } = await published(broker, value, init);
    assert.equal(`${topicName} ${qos} ${retain}`, expected, JSON.stringify(value));
  }
  const unset = await published(broker, { ...NOTHING, retained: true }, { ...init, retain: false });
  assert.deepEqual([unset.qos, unset.retain], [2, true]);
});
/** Takes back what `toBroker` sets. */
const NOTHING = { useMsgQos: true };

test('the body is the payload, the envelope, or a template', async (t) => {
  const broker = await rawMqttBroker(t);
  const payload = Buffer.from('{"temperature": 25.50}');
  const bodyOf = async (value: MqttInit, bytes = payload) =>
    (await published(broker, value, { payload: bytes })).payload;
  assert.deepEqual(await bodyOf({}), payload);
  const binary = Buffer.from([0, 0x80, 0xff]);
  assert.deepEqual(await bodyOf({}, binary), binary);
  const envelope = JSON.parse((await bodyOf({ sendOnlyMsgPayload: false })).toString());
  assert.equal(envelope.payload, payload.toString('base64'));
  assert.equal(envelope.topicName, 'a/b');
  assert.deepEqual(envelope.metadata, { integrationName: 'an integration', site: 'north' });
  const json = { sendOnlyMsgPayload: false, payloadContentType: PayloadContentType.JSON };
  assert.match((await bodyOf(json)).toString(), /"payload":\{"temperature": 25\.50\}/);
  const bodyTemplate = '${clientId} has ${payload.temperature}';
  assert.equal((await bodyOf({ sendOnlyMsgPayload: false, bodyTemplate })).toString(), 'c has 25.50');
});

test('MQTT 5 properties are carried through, user properties in order with repeats', async (t) => {
  const broker = await rawMqttBroker(t);
  const now = 1_795_000_000_000;
  const userProperties = [
    { key: 'b', value: '1' },
    { key: 'a', value: 'ü' },
    { key: '__proto__', value: '' },
    { key: 'b', value: '2' },
    { key: HOPS, value: '99' },
    { key: '', value: 'x' },
  ];
  const init = {
    userProperties,
    contentType: 'text/plain',
    responseTopic: 'answers/7',
    correlationData: Buffer.from([1, 0, 255]),
    payloadFormatIndicator: 1,
    messageExpiryInterval: 60,
    receivedTime: timestampFromMs(now - 4900),
    hopCount: 2,
  };
  const clock = { ...contextOf().clock, now: () => now };
  const deliver = async (value: MqttInit) => {
    const handler = await connected(t, toBroker(broker.port, value), { clock });
    assert.deepEqual(await handler.deliver([message(init)], never), [DELIVERED]);
    return broker.published.at(-1)!.properties;
  };
  const carried = [...userProperties.filter(({ key }) => key !== HOPS), { key: HOPS, value: '3' }];
  const others = {
    responseTopic: 'answers/7',
    correlationData: Buffer.from([1, 0, 255]),
    payloadFormatIndicator: 1,
    messageExpiryInterval: 56,
  };
  assert.deepEqual(await deliver({ mqttVersion: 5 }), {
    userProperties: carried,
    contentType: 'text/plain',
    ...others,
  });
  assert.deepEqual(await deliver({ mqttVersion: 5, sendOnlyMsgPayload: false }), {
    userProperties: carried,
    contentType: 'application/json',
    ...others,
  });
  assert.deepEqual(await deliver({ mqttVersion: 4 }), { userProperties: [] });
});

test('what MQTT cannot carry is given up alone, and the connection stays', async (t) => {
  const broker = await rawMqttBroker(t);
  const handler = await connected(t, toBroker(broker.port, { mqttVersion: 5, topicName: 'to/${username}' }));
  const sound = { username: 'u' };
  const rows: readonly (readonly [Parameters<typeof message>[0], RegExp])[] = [
    [{}, /\$\{username\} has no value/],
    [{ username: 'a/#' }, /topic name/],
    [{ ...sound, contentType: 'a\0' }, /content type: must not contain NUL/],
    ...['a/+', '#', 'a#b', '', 'a\0', 'ä'.repeat(32_768)].map(
      (responseTopic) => [{ ...sound, responseTopic }, /response topic/] as const,
    ),
    [{ ...sound, userProperties: [{ key: 'a', value: 'ü'.repeat(40_000) }] }, /user property.*65535 bytes/],
    [{ ...sound, correlationData: new Uint8Array(65_536) }, /correlation data.*65535 bytes/],
  ];
  for (const [init, reason] of rows) {
    const [failed, other] = await handler.deliver([message(init), message(sound)], never);
    assert.ok(failed && !failed.delivered);
    assert.equal(failed.failureClass, FailureClass.UNENCODABLE);
    assert.match(failed.reason, reason);
    assert.equal(other, DELIVERED);
  }
  assert.equal(broker.clients.size, 1);
  assert.equal(broker.published.length, rows.length);
});

test('a message whose expiry passed while it waited is given up as expired', async (t) => {
  const broker = await rawMqttBroker(t);
  const handler = await connected(t, toBroker(broker.port, { mqttVersion: 5 }));
  const receivedTime = timestampFromMs(Date.now() - 10_000);
  const [outcome] = await handler.deliver([message({ messageExpiryInterval: 10, receivedTime })], never);
  assert.ok(outcome && !outcome.delivered);
  assert.equal(outcome.failureClass, FailureClass.EXPIRED);
  assert.deepEqual(broker.published, []);
});
