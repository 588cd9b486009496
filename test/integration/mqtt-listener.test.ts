import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acks, listenerForTests, mqttClient, publish, reasonOf } from '../helpers/mqtt-listener.ts';
import { RawMqttClient } from '../helpers/raw-mqtt-client.ts';
import { waitUntil } from '../helpers/wait-until.ts';

for (const protocolVersion of [3, 4, 5] as const) {
  test(`MQTT level ${protocolVersion}: a message of each QoS comes through`, async (t) => {
    const { sink, address } = await listenerForTests(t);
    const protocolId = protocolVersion === 3 ? 'MQIsdp' : 'MQTT';
    const client = await mqttClient(t, address, {
      protocolVersion,
      protocolId,
      clientId: 'c',
      username: 'u',
      password: 'p',
    });
    for (const qos of [0, 1, 2] as const)
      await client.publishAsync('a/b', `qos ${qos}`, { qos, retain: qos === 1 });
    await waitUntil('three messages', () => sink.messages.length === 3);
    assert.deepEqual(
      sink.messages.map(({ topicName, clientId, username, qos, retain }) => [
        topicName,
        clientId,
        username,
        qos,
        retain,
      ]),
      [
        ['a/b', 'c', 'u', 0, false],
        ['a/b', 'c', 'u', 1, true],
        ['a/b', 'c', 'u', 2, false],
      ],
    );
    assert.deepEqual(sink.payloads, ['qos 0', 'qos 1', 'qos 2']);
  });
}

test('5.0: every property of a message is kept, user properties in order with repeats', async (t) => {
  const { sink, address } = await listenerForTests(t);
  const client = await RawMqttClient.connected(t, address, 5);
  // PUBLISH qos 1 "t", id 1, with user properties b=1, a="", b=2, a=3 and all the others; payload "x"
  const user = (key: string, value: string) =>
    Buffer.concat([
      Buffer.from([0x26, 0, key.length]),
      Buffer.from(key),
      Buffer.from([0, value.length]),
      Buffer.from(value),
    ]);
  const properties = Buffer.concat([
    user('b', '1'),
    Buffer.from([0x01, 1, 0x02, 0, 0, 0, 60, 0x03, 0, 2, 0x63, 0x74, 0x08, 0, 1, 0x72, 0x09, 0, 2, 0, 0xff]),
    user('a', ''),
    user('b', '2'),
    user('a', '3'),
  ]);
  const body = Buffer.concat([
    Buffer.from([0, 1, 0x74, 0, 1, properties.length]),
    properties,
    Buffer.from('x'),
  ]);
  client.socket.write(Buffer.concat([Buffer.from([0x32, body.length]), body]));
  await client.received(2);
  const { userProperties, correlationData, ...rest } = sink.messages[0]!;
  assert.deepEqual(
    userProperties.map(({ key, value }) => `${key}=${value}`),
    ['b=1', 'a=', 'b=2', 'a=3'],
  );
  assert.deepEqual([...correlationData!], [0, 0xff]);
  assert.deepEqual(
    [rest.payloadFormatIndicator, rest.messageExpiryInterval, rest.contentType, rest.responseTopic],
    [1, 60, 'ct', 'r'],
  );
});

test('5.0: a topic alias stands for its topic name, and an unknown one ends the connection', async (t) => {
  const { sink, address } = await listenerForTests(t);
  const client = await RawMqttClient.connected(t, address, 5);
  client.send(
    publish(1, 1, { properties: { topicAlias: 7 } }),
    publish(2, 1, { topic: '', properties: { topicAlias: 7 } }),
    publish(3, 1, { topic: 'other', properties: { topicAlias: 7 } }),
    publish(4, 1, { topic: '', properties: { topicAlias: 7 } }),
  );
  await client.received(5);
  assert.deepEqual(
    sink.messages.map(({ topicName }) => topicName),
    ['a/b', 'a/b', 'other', 'other'],
  );
  client.send(publish(5, 1, { topic: '', properties: { topicAlias: 8 } }));
  await client.closed();
  assert.equal(reasonOf(client.packets.at(-1)), 0x82);
  const second = await RawMqttClient.connected(t, address, 5);
  second.send(publish(1, 1, { properties: { topicAlias: 65 } }));
  await second.closed();
  assert.equal(reasonOf(second.packets.at(-1)), 0x94);
});

test('5.0: CONNACK announces what the server does and does not', async (t) => {
  const { address } = await listenerForTests(t);
  const client = await RawMqttClient.connected(t, address, 5, {
    clientId: '',
    properties: { sessionExpiryInterval: 0xffff_ffff },
  });
  const [connack] = client.packets;
  assert.ok(connack?.cmd === 'connack' && connack.properties);
  const { assignedClientIdentifier, ...announced } = connack.properties;
  assert.match(assignedClientIdentifier ?? '', /^auto-/);
  assert.deepEqual(
    { ...announced },
    {
      sessionExpiryInterval: 3600,
      receiveMaximum: 1024,
      maximumPacketSize: 65_536,
      topicAliasMaximum: 64,
      wildcardSubscriptionAvailable: false,
      subscriptionIdentifiersAvailable: false,
      sharedSubscriptionAvailable: false,
    },
  );
});

test('a will is published when the client is lost, and not after DISCONNECT', async (t) => {
  const { sink, address } = await listenerForTests(t);
  const will = { topic: 'gone', payload: Buffer.from('bye'), qos: 1 as const, retain: true };
  const polite = await mqttClient(t, address, { clientId: 'polite', will });
  await polite.endAsync();
  const lost = await mqttClient(t, address, {
    clientId: 'lost',
    protocolVersion: 5,
    will: { ...will, properties: { contentType: 'text/plain', userProperties: { a: ['1', '2'] } } },
  });
  lost.stream.destroy();
  await waitUntil('the will', () => sink.messages.length > 0);
  const insisting = await RawMqttClient.connected(t, address, 5, { clientId: 'insisting', will });
  insisting.send({ cmd: 'disconnect', reasonCode: 0x04 });
  await waitUntil('the other will', () => sink.messages.length > 1);
  assert.deepEqual(
    sink.messages.map(({ topicName, clientId, qos, retain }) => [topicName, clientId, qos, retain]),
    [
      ['gone', 'lost', 1, true],
      ['gone', 'insisting', 1, true],
    ],
  );
  const [message] = sink.messages;
  assert.equal(message?.contentType, 'text/plain');
  assert.deepEqual(message?.userProperties, [
    { key: 'a', value: '1' },
    { key: 'a', value: '2' },
  ]);
});

test('subscriptions are refused, and the connection stays', async (t) => {
  const { address } = await listenerForTests(t);
  for (const [version, expected] of [
    [5, 0x87],
    [4, 0x80],
  ] as const) {
    const client = await RawMqttClient.connected(t, address, version);
    client.send(
      {
        cmd: 'subscribe',
        messageId: 1,
        subscriptions: [
          { topic: 'a', qos: 1 },
          { topic: '#', qos: 0 },
        ],
      },
      { cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['a'] },
      publish(3, 1),
    );
    await client.received(4);
    const [, suback, unsuback] = client.packets;
    assert.deepEqual((suback as { granted?: number[] }).granted, [expected, expected]);
    assert.deepEqual((unsuback as { granted?: number[] }).granted, version === 5 ? [0x11] : undefined);
    assert.deepEqual(acks(client.packets), ['suback 1', 'unsuback 2', 'puback 3']);
  }
});
