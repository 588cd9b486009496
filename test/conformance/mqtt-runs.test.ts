import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DELIVERED, type Outbound } from '../../src/executor/handlers/handler.ts';
import type { PublishPacket } from '../../src/ingress/listener/publish-packet.ts';
import { engine } from '../helpers/engine.ts';
import { connected, never, outbound } from '../helpers/handler.ts';
import { message, toBroker } from '../helpers/mqtt-handler.ts';
import { type RawBrokerClient, rawMqttBroker } from '../helpers/raw-mqtt-broker.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const QUOTA_EXCEEDED = 0x97;
const numbers = (count: number) => Array.from({ length: count }, (_, i) => `m${i}`);
const nameOf = ({ payload }: Pick<PublishPacket, 'payload'>) => Buffer.from(payload).toString();

test('one client fills the window, in order', async (t) => {
  const broker = await rawMqttBroker(t);
  const held: (() => void)[] = [];
  broker.onPublish = (packet, client) => held.push(() => client.acknowledge(packet));
  const { told, take, settled } = await engine(t, toBroker(broker.port));
  const sent = numbers(200);
  const takeAll = async () => {
    for (const payload of sent) await take(outbound(payload));
  };
  const taken = takeAll();
  await waitUntil('the window is full', () => held.length === 64);
  broker.onPublish = (packet, client) => client.acknowledge(packet);
  for (const acknowledge of held) acknowledge();
  await taken;
  await settled();
  assert.deepEqual([broker.payloads, told.delivered], [sent, sent]);
});

test('behind a message that the broker does not take now, nothing leaves any more before it is taken', async (t) => {
  const broker = await rawMqttBroker(t);
  const onTheirWay: [PublishPacket, RawBrokerClient][] = [];
  broker.onPublish = (packet, client) => {
    if (nameOf(packet) === 'm0') client.acknowledge(packet, QUOTA_EXCEEDED);
    else onTheirWay.push([packet, client]);
  };
  const { told, take, settled } = await engine(
    t,
    toBroker(broker.port, { mqttVersion: 5 as const, maxInFlight: 4 }),
  );
  for (const payload of numbers(8)) await take(outbound(payload));
  await waitUntil('it is refused', () => told.failures === 1);
  broker.onPublish = (packet, client) => client.acknowledge(packet);
  for (const [packet, client] of onTheirWay) client.acknowledge(packet);
  await settled();
  assert.deepEqual(broker.payloads, ['m0', 'm1', 'm2', 'm3', 'm0', 'm4', 'm5', 'm6', 'm7']);
  assert.deepEqual(told.failures, 1, 'those behind it had no try');
});

test('a lower QoS waits for the end of QoS 2: brokers pass it on before', async (t) => {
  const broker = await rawMqttBroker(t);
  const { onPubrel } = broker;
  let release = () => {};
  broker.onPubrel = (packet, client) => {
    release = () => onPubrel(packet, client);
  };
  const { take, settled } = await engine(t, toBroker(broker.port, { qos: undefined, useMsgQos: true }));
  const withQos = (payload: string, qos: number): Outbound => {
    const { envelope, ...rest } = outbound(payload);
    return { ...rest, envelope: { ...envelope, qos } };
  };
  for (const [i, qos] of [1, 2, 2, 1].entries()) await take(withQos(`m${i}`, qos));
  await waitUntil('both exchanges have begun', () => broker.packets.length >= 3);
  assert.deepEqual(broker.payloads, ['m0', 'm1', 'm2']);
  broker.onPubrel = onPubrel;
  release();
  await take(withQos('m4', 0));
  for (const packet of broker.packets.filter(({ cmd }) => cmd === 'pubrel')) {
    for (const client of broker.clients) onPubrel(packet, client);
  }
  await settled();
  assert.deepEqual(broker.payloads, numbers(5));
});

test('what has one order key keeps to one connection of a pool', async (t) => {
  const broker = await rawMqttBroker(t);
  const over = new Set<string>();
  broker.onPublish = (packet, client) => {
    over.add(client.connect!.clientId);
    client.acknowledge(packet);
  };
  const handler = await connected(t, toBroker(broker.port, { poolSize: 4 }));
  const messages = numbers(40).map((clientId) => ({ ...message({ clientId }), key: 'a/b' }));
  const outcomes = await Promise.all(messages.map((one) => handler.deliver([one], never)));
  assert.ok(outcomes.flat().every((outcome) => outcome === DELIVERED));
  assert.equal(over.size, 1);
});
