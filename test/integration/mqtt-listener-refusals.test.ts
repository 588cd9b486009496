import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { generate, type Packet } from 'mqtt-packet';
import { acks, listenerForTests, publish, pubrel, reasonOf } from '../helpers/mqtt-listener.ts';
import { connectPacket, RawMqttClient } from '../helpers/raw-mqtt-client.ts';

test('what a CONNECT is refused for', async (t) => {
  const { address } = await listenerForTests(t, { maxConnections: 1 });
  const refused = async (version: 3 | 4 | 5, bytes: Buffer | string | Packet) => {
    const client = new RawMqttClient(t, address, version);
    if (typeof bytes === 'string') client.sendHex(bytes);
    else client.send(bytes as Packet);
    await client.closed();
    const [connack] = client.packets as { returnCode?: number; reasonCode?: number }[];
    return version === 5 ? connack?.reasonCode : connack?.returnCode;
  };
  // 3.1.1 without client id and without clean session; mqtt-packet does not write it
  assert.equal(await refused(4, '10 0c 0004 4d515454 04 00 0000 0000'), 2);
  assert.equal(await refused(5, '10 0c 0004 4d515454 07 02 0000 0000'), 0x84);
  assert.equal(await refused(4, '10 0c 0004 4d515454 02 02 0000 0000'), 1);
  await RawMqttClient.connected(t, address, 4, { clientId: 'the one' });
  assert.equal(await refused(4, connectPacket(4, 'too many')), 3);
  assert.equal(await refused(5, connectPacket(5, 'too many')), 0x97);
  await RawMqttClient.connected(t, address, 4, { clientId: 'the one' });
});

test('what ends a connection', async (t) => {
  const { sink, address } = await listenerForTests(t, { maxPacketBytes: 1024 });
  const cases: [what: string, hex: string, reasonCode: number][] = [
    ['a packet too large, before it is there', '30 ff ff ff 7f', 0x95],
    ['a Remaining Length of five bytes', '30 ff ff ff ff 01', 0x81],
    ['QoS 3', '36 05 0001 61 0001', 0x81],
    ['a packet id of 0', '32 06 0001 61 0000 00', 0x81],
    ['a packet that ends early', '32 03 0005 61', 0x81],
    ['a property that goes beyond the packet', '32 07 0001 61 0001 05 26', 0x81],
    ['a property that PUBLISH has not', '32 08 0001 61 0001 02 0b 01', 0x82],
    ['a property twice', '32 0a 0001 61 0001 04 0101 0101', 0x82],
    ['a topic name that is not UTF-8', '30 05 0002 c3 28 00', 0x81],
    ['a topic name with NUL', '30 04 0001 00 00', 0x81],
    ['a topic name with a wildcard', '30 04 0001 23 00', 0x90],
    ['an empty topic name', '30 03 0000 00', 0x82],
    ['PUBREL with wrong flags', '60 02 0001', 0x81],
    ['a second CONNECT', '10 0d 0004 4d515454 05 02 0000 00 0000', 0x82],
    ['a packet type for servers', '20 02 0000', 0x82],
    ['a reserved packet type', '00 00', 0x82],
    ['SUBSCRIBE without filter', '82 03 0001 00', 0x82],
    ['SUBSCRIBE that ends early', '82 05 0001 00 0009', 0x81],
  ];
  for (const [what, hex, reasonCode] of cases) {
    const client = await RawMqttClient.connected(t, address, 5);
    client.sendHex(hex);
    await client.closed();
    const last = client.packets.at(-1);
    assert.deepEqual([last?.cmd, reasonOf(last)], ['disconnect', reasonCode], what);
  }
  const old = await RawMqttClient.connected(t, address, 4);
  old.sendHex('30 03 0001 23');
  await old.closed();
  for (const hex of [
    '30 03 0001 61',
    '10 03 0004 4d',
    `${Buffer.from(`GET / HTTP/1.1\r\nhost: localhost\r\n${'x-padding: 1\r\n'.repeat(5)}`).toString('hex')}`,
  ]) {
    const stranger = new RawMqttClient(t, address, 4);
    stranger.sendHex(hex);
    await stranger.closed();
    assert.deepEqual(stranger.packets, []);
  }
  assert.equal(sink.messages.length, 0);
});

test('no garbage ends the process, or another connection', async (t) => {
  const { address } = await listenerForTests(t);
  const good = await RawMqttClient.connected(t, address, 5, { clientId: 'good' });
  const packets: Packet[] = [
    {
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: [{ topic: 'a/b', qos: 1 }],
      properties: { userProperties: { a: 'b' } },
    },
    { cmd: 'unsubscribe', messageId: 1, unsubscriptions: ['a/b'] },
    { cmd: 'disconnect', reasonCode: 0, properties: { reasonString: 'bye' } },
    publish(1, 2, { properties: { userProperties: { a: ['b', 'c'] } } }),
    pubrel(1),
  ];
  const change = fc.record({ at: fc.nat(), to: fc.nat({ max: 255 }) });
  const garbage = fc
    .tuple(fc.constantFrom(...packets), fc.array(change, { minLength: 1, maxLength: 3 }))
    .map(([packet, changes]) => {
      const bytes = generate(packet, { protocolVersion: 5 });
      for (const { at, to } of changes) bytes[at % bytes.length] = to;
      return bytes;
    });
  for (const bytes of fc.sample(garbage, 100)) {
    const client = await RawMqttClient.connected(t, address, 5);
    client.socket.end(bytes);
    await client.closed();
  }
  good.send(publish(1, 1));
  await good.received(2);
});

test('a packet may arrive a byte at a time, and many at once', async (t) => {
  const { sink, address } = await listenerForTests(t);
  const client = await RawMqttClient.connected(t, address, 4);
  for (const byte of Buffer.from('32080003612f620001ff', 'hex')) {
    client.socket.write(Buffer.from([byte]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  client.send(publish(2, 1), publish(3, 1));
  await client.received(4);
  assert.deepEqual(acks(client.packets), ['puback 1', 'puback 2', 'puback 3']);
  assert.equal(sink.messages.length, 3);
});
