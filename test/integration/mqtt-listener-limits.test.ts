import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acks, listenerForTests, publish, reasonOf } from '../helpers/mqtt-listener.ts';
import { connectPacket, RawMqttClient } from '../helpers/raw-mqtt-client.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const MiB = 1_048_576;
const properties = (count: number) => ({ userProperties: { a: Array<string>(count).fill('') } });
/** The beginning of a PUBLISH of QoS 0 of a mebibyte. */
const header = Buffer.from([0x30, 0xf0, 0xff, 0x3f]);

test('a message with too many user properties is refused, in its turn, and those behind it are taken in', async (t) => {
  const { sink, address, metrics } = await listenerForTests(t);
  const stored: ((matches: number) => void)[] = [];
  sink.answer = () => new Promise((resolve) => stored.push(resolve));
  const client = await RawMqttClient.connected(t, address, 5);
  const tooMany = { properties: properties(1001) };
  client.send(
    publish(1, 1, { properties: properties(1000) }),
    publish(2, 1, tooMany),
    publish(3, 2, tooMany),
  );
  client.send(publish(4, 1));
  await waitUntil('those that are taken in', () => stored.length === 2);
  for (const resolve of stored) resolve(1);
  await client.received(5);
  assert.deepEqual(acks(client.packets), ['puback 1', 'puback 2', 'pubrec 3', 'puback 4']);
  assert.deepEqual(client.packets.slice(1).map(reasonOf), [0, 0x97, 0x97, 0]);
  assert.deepEqual(sink.payloads, ['m1', 'm4']);
  const { values } = await metrics.takenIn.get();
  assert.equal(values.find(({ labels }) => labels.result === 'refused')?.value, 2);
  client.send(publish(0, 0, tooMany));
  await client.closed();
  assert.equal(reasonOf(client.packets.at(-1)), 0x97, 'a message of QoS 0 has no acknowledgement to tell it');
});

test('a CONNECT, and a will, with too many user properties are refused', async (t) => {
  const { address } = await listenerForTests(t);
  const will = { topic: 'gone', payload: 'x', qos: 0, retain: false, properties: properties(1001) } as const;
  for (const more of [{ properties: properties(1001) }, { will }]) {
    const client = new RawMqttClient(t, address, 5);
    client.send({ ...connectPacket(5), ...more });
    await client.closed();
    assert.deepEqual(client.packets.map(reasonOf), [0x97]);
  }
});

test('a stranger may send no more than a CONNECT needs, and a packet that is no message has a limit of its own', async (t) => {
  const { address } = await listenerForTests(t, { maxPacketBytes: MiB });
  const stranger = new RawMqttClient(t, address, 4);
  stranger.sendHex('10 81 80 04'); // 65,537 bytes follow
  await stranger.closed();
  const client = await RawMqttClient.connected(t, address, 5);
  const subscriptions = Array.from({ length: 20_000 }, () => ({ topic: 'a/b', qos: 0 }) as const);
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions });
  await client.closed();
  assert.equal(reasonOf(client.packets.at(-1)), 0x95);
});

test('when clients hold too much, those who hold the most are let go, and the others notice nothing', async (t) => {
  const { sink, address, metrics } = await listenerForTests(t, {
    maxPacketBytes: MiB,
    maxMemoryBytes: 16 * MiB,
  });
  const healthy = await RawMqttClient.connected(t, address, 5, { clientId: 'healthy' });
  const hostile: RawMqttClient[] = [];
  for (let index = 0; index < 30; index++) {
    const client = await RawMqttClient.connected(t, address, 5, { clientId: `hostile ${index}` });
    client.socket.write(Buffer.concat([header, Buffer.alloc(900_000)]));
    hostile.push(client);
    healthy.send(publish(index + 1, 1));
    await healthy.received(index + 2);
  }
  await waitUntil('some were let go', () => hostile.filter(({ isClosed }) => isClosed).length >= 20);
  assert.ok(hostile.every(({ isClosed, packets }) => !isClosed || reasonOf(packets.at(-1)) === 0x97));
  assert.equal(healthy.isClosed, false);
  assert.equal(sink.messages.length, 30);
  const { values } = await metrics.mqttDisconnects.get();
  assert.ok((values.find(({ labels }) => labels.reason === 'memory')?.value ?? 0) >= 20);
  // What they held is free again.
  for (const client of hostile) client.socket.destroy();
  const large = publish(31, 1, { payload: Buffer.alloc(900_000) });
  healthy.send(large);
  await healthy.received(32);
});

test('a newcomer whose will has no room is refused, and one without is not', async (t) => {
  const { address } = await listenerForTests(t, { maxMemoryBytes: MiB });
  const will = { topic: 'gone', payload: Buffer.alloc(60_000), qos: 0, retain: false } as const;
  const clients: RawMqttClient[] = [];
  const connect = async (version: 4 | 5, more: object) => {
    const client = new RawMqttClient(t, address, version);
    client.send({ ...connectPacket(version, `c${clients.length}`), ...more });
    const [connack] = await client.received(1);
    clients.push(client);
    return connack as { returnCode?: number; reasonCode?: number };
  };
  for (let index = 0; index < 8; index++) assert.equal((await connect(5, { will })).reasonCode, 0);
  assert.equal((await connect(5, { will })).reasonCode, 0x89);
  assert.equal((await connect(4, { will })).returnCode, 3);
  assert.equal((await connect(5, {})).reasonCode, 0);
  await Promise.all([clients[8]?.closed(), clients[9]?.closed()]);
  assert.equal(clients.filter(({ isClosed }) => isClosed).length, 2);
});
