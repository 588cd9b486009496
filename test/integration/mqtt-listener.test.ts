import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import mqtt from 'mqtt';
import { generate, type IPublishPacket, type Packet } from 'mqtt-packet';
import { BusError } from '../../src/bus/bus.ts';
import type { PublishedMessage } from '../../src/contract/encode-envelope.ts';
import type { TakeIn } from '../../src/ingress/fan-out.ts';
import { startListener } from '../../src/ingress/listener/listener.ts';
import { type Clock, systemClock } from '../../src/runtime/clock.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { connectPacket, RawMqttClient } from '../helpers/raw-mqtt-client.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

/** A fan-out that keeps what it gets; `answer` decides how it goes on. */
class Sink {
  readonly messages: PublishedMessage[] = [];
  answer: (message: PublishedMessage) => Promise<number> = async () => 1;
  readonly takeIn: TakeIn = (message) => {
    this.messages.push({ ...message, payload: Buffer.from(message.payload) });
    return this.answer(message);
  };
  get payloads(): string[] {
    return this.messages.map(({ payload }) => Buffer.from(payload).toString());
  }
}

async function start(
  t: TestContext,
  limits: { maxPacketBytes?: number; maxConnections?: number } = {},
  clock: Clock = systemClock,
) {
  const sink = new Sink();
  const deps = { ...testDeps(), clock };
  const config = { host: '127.0.0.1', port: 0, maxPacketBytes: 65_536, maxConnections: 100, ...limits };
  const listener = await startListener(config, { ...deps, takeIn: sink.takeIn });
  t.after(() => listener[Symbol.asyncDispose]());
  return { sink, listener, address: listener.address, metrics: deps.metrics };
}

async function mqttClient(t: TestContext, address: string, options: mqtt.IClientOptions) {
  const client = await mqtt.connectAsync(`mqtt://${address}`, { reconnectPeriod: 0, ...options });
  t.after(() => client.endAsync(true));
  return client;
}

const publish = (messageId: number, qos: 0 | 1 | 2, more: Partial<IPublishPacket> = {}): IPublishPacket => ({
  cmd: 'publish',
  topic: 'a/b',
  payload: `m${messageId}`,
  retain: false,
  dup: false,
  qos,
  messageId,
  ...more,
});
const pubrel = (messageId: number): Packet => ({ cmd: 'pubrel', messageId, reasonCode: 0 });
const acks = (packets: readonly Packet[]) =>
  packets.filter(({ messageId }) => messageId).map(({ cmd, messageId }) => `${cmd} ${messageId}`);
const reasonOf = (packet: Packet | undefined) => (packet as { reasonCode?: number } | undefined)?.reasonCode;

for (const protocolVersion of [3, 4, 5] as const) {
  test(`MQTT level ${protocolVersion}: a message of each QoS comes through`, async (t) => {
    const { sink, address } = await start(t);
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
  const { sink, address } = await start(t);
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
  const { sink, address } = await start(t);
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
  const { address } = await start(t);
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

test('acknowledgements leave in the order of arrival, whatever order Kafka answers in', async (t) => {
  const { sink, address } = await start(t);
  const stored: ((matches: number) => void)[] = [];
  sink.answer = () => new Promise((resolve) => stored.push(resolve));
  const client = await RawMqttClient.connected(t, address, 4);
  client.send(publish(1, 1), publish(2, 2), publish(3, 1), publish(4, 1));
  await waitUntil('all four on their way', () => stored.length === 4);
  for (const index of [3, 1, 2]) stored[index]?.(1);
  client.send({ cmd: 'pingreq' });
  await client.received(2);
  assert.deepEqual(
    client.packets.map(({ cmd }) => cmd),
    ['connack', 'pingresp'],
  );
  stored[0]?.(1);
  await client.received(6);
  assert.deepEqual(acks(client.packets), ['puback 1', 'pubrec 2', 'puback 3', 'puback 4']);
});

test('a message that Kafka does not take is not acknowledged: the connection ends, and QoS 0 is dropped', async (t) => {
  const { sink, address, metrics } = await start(t);
  sink.answer = async ({ qos }) => {
    throw new BusError(qos === 2 ? 'full' : 'timeout', 'no');
  };
  const client = await RawMqttClient.connected(t, address, 5);
  client.send(publish(0, 0), { cmd: 'pingreq' });
  await client.received(2);
  client.send(publish(1, 1));
  await client.closed();
  assert.deepEqual(
    client.packets.map(({ cmd }) => cmd),
    ['connack', 'pingresp', 'disconnect'],
  );
  assert.equal(reasonOf(client.packets.at(-1)), 0x89);
  const second = await RawMqttClient.connected(t, address, 5);
  second.send(publish(1, 2));
  await second.closed();
  assert.equal(reasonOf(second.packets.at(-1)), 0x97);
  const third = await RawMqttClient.connected(t, address, 4);
  third.send(publish(1, 1));
  await third.closed();
  assert.deepEqual(
    third.packets.map(({ cmd }) => cmd),
    ['connack'],
  );
  const { values } = await metrics.takenIn.get();
  assert.deepEqual(
    values.filter(({ value }) => value > 0).map(({ labels, value }) => [labels.result, value]),
    [
      ['dropped', 1],
      ['failed', 3],
    ],
  );
});

test('a message that nobody wants is acknowledged, and 5.0 is told', async (t) => {
  const { sink, address } = await start(t);
  sink.answer = async () => 0;
  for (const [version, expected] of [
    [5, 0x10],
    [4, undefined],
  ] as const) {
    const client = await RawMqttClient.connected(t, address, version);
    client.send(publish(1, 1), publish(2, 2));
    await client.received(3);
    assert.deepEqual(client.packets.slice(1).map(reasonOf), [expected, expected]);
  }
});

test('QoS 2: a message that comes again before its PUBREL is stored once, and then its id is free', async (t) => {
  const { sink, address } = await start(t);
  const client = await RawMqttClient.connected(t, address, 5);
  client.send(publish(1, 2), publish(1, 2, { dup: true }));
  await client.received(3);
  client.send(publish(1, 2, { dup: true }));
  await client.received(4);
  client.send(pubrel(1), publish(1, 2, { payload: 'new' }), pubrel(9));
  await client.received(7);
  assert.deepEqual(acks(client.packets), [
    'pubrec 1',
    'pubrec 1',
    'pubrec 1',
    'pubcomp 1',
    'pubcomp 9',
    'pubrec 1',
  ]);
  assert.deepEqual(client.packets.filter(({ cmd }) => cmd === 'pubcomp').map(reasonOf), [0, 0x92]);
  assert.deepEqual(sink.payloads, ['m1', 'new']);
});

test('QoS 2: ids outlive the connection of a session that is kept, also when Kafka answers after it', async (t) => {
  const { sink, address } = await start(t);
  let stored = (_: number) => {};
  sink.answer = () =>
    new Promise((resolve) => {
      stored = resolve;
    });
  const kept = { clean: false, properties: { sessionExpiryInterval: 60 } };
  const first = await RawMqttClient.connected(t, address, 5, kept);
  first.send(publish(1, 2));
  await waitUntil('on its way', () => sink.messages.length === 1);
  first.socket.destroy();
  const second = await RawMqttClient.connected(t, address, 5, kept);
  assert.equal((second.packets[0] as { sessionPresent?: boolean }).sessionPresent, true);
  second.send(publish(1, 2, { dup: true }));
  stored(1);
  await second.received(2);
  second.send(pubrel(1));
  await second.received(3);
  assert.deepEqual(acks(second.packets), ['pubrec 1', 'pubcomp 1']);
  assert.equal(sink.messages.length, 1);
  second.socket.destroy();
  const clean = await RawMqttClient.connected(t, address, 5, { clean: true });
  assert.equal((clean.packets[0] as { sessionPresent?: boolean }).sessionPresent, false);
});

test('QoS 2: a message that Kafka did not take is stored when it comes again', async (t) => {
  const { sink, address } = await start(t);
  sink.answer = async () => {
    throw new BusError('timeout', 'no');
  };
  const kept = { clean: false, properties: { sessionExpiryInterval: 60 } };
  const first = await RawMqttClient.connected(t, address, 5, kept);
  first.send(publish(1, 2));
  await first.closed();
  sink.answer = async () => 1;
  const second = await RawMqttClient.connected(t, address, 5, kept);
  second.send(publish(1, 2, { dup: true }));
  await second.received(2);
  assert.equal(sink.messages.length, 2);
});

test('QoS 2: PUBREL before PUBREC ends the connection', async (t) => {
  const { sink, address } = await start(t);
  sink.answer = () => new Promise(() => {});
  const client = await RawMqttClient.connected(t, address, 4);
  client.send(publish(1, 2), pubrel(1));
  await client.closed();
  assert.deepEqual(acks(client.packets), []);
});

test('the socket is not read beyond the in-flight limit, and read on afterwards', async (t) => {
  const { sink, address } = await start(t);
  const stored: ((matches: number) => void)[] = [];
  sink.answer = () => new Promise((resolve) => stored.push(resolve));
  const client = await RawMqttClient.connected(t, address, 4);
  const total = 3000;
  client.send(...Array.from({ length: total }, (_, index) => publish(index + 1, 1)));
  await waitUntil('the limit', () => sink.messages.length === 1024);
  // What is beyond the limit has arrived long ago: another client's round trip has passed.
  const other = await RawMqttClient.connected(t, address, 4, { clientId: 'other' });
  other.send({ cmd: 'pingreq' });
  await other.received(2);
  assert.equal(sink.messages.length, 1024);
  sink.answer = async () => 1;
  for (const resolve of stored) resolve(1);
  await client.received(total + 1);
  assert.deepEqual(
    sink.payloads,
    Array.from({ length: total }, (_, index) => `m${index + 1}`),
  );
});

test('the socket is not read beyond so many bytes in flight', async (t) => {
  const { sink, address } = await start(t, { maxPacketBytes: 1_100_000 });
  const stored: ((matches: number) => void)[] = [];
  sink.answer = () => new Promise((resolve) => stored.push(resolve));
  const client = await RawMqttClient.connected(t, address, 4);
  const payload = Buffer.alloc(1_048_576);
  for (let id = 1; id <= 6; id++) client.send(publish(id, 1, { payload }));
  await waitUntil('the limit', () => sink.messages.length === 4);
  const other = await RawMqttClient.connected(t, address, 4, { clientId: 'other' });
  other.send({ cmd: 'pingreq' });
  await other.received(2);
  assert.equal(sink.messages.length, 4);
  sink.answer = async () => 1;
  for (const resolve of stored) resolve(1);
  await client.received(7);
});

test('all connections together have a limit of bytes in flight, and CONNECT does not wait for it', async (t) => {
  const { sink, address } = await start(t, { maxPacketBytes: 1_100_000 });
  const stored: ((matches: number) => void)[] = [];
  sink.answer = () => new Promise((resolve) => stored.push(resolve));
  const payload = Buffer.alloc(1_048_576);
  for (let index = 1; index <= 8; index++) {
    const client = await RawMqttClient.connected(t, address, 4, { clientId: `large ${index}` });
    for (let id = 1; id <= 4; id++) client.send(publish(id, 1, { payload }));
  }
  await waitUntil('32 MiB', () => sink.messages.length === 32);
  const small = await RawMqttClient.connected(t, address, 4, { clientId: 'small' });
  small.send(publish(1, 1));
  await RawMqttClient.connected(t, address, 4, { clientId: 'a round trip' });
  assert.equal(sink.messages.length, 32);
  stored[0]?.(1);
  await waitUntil('the small one', () => sink.messages.length > 32);
});

test('a newer connection takes the client id over', async (t) => {
  const { address } = await start(t);
  for (const version of [4, 5] as const) {
    const first = await RawMqttClient.connected(t, address, version);
    await RawMqttClient.connected(t, address, version);
    await first.closed();
    assert.equal(reasonOf(first.packets[1]), version === 5 ? 0x8e : undefined);
  }
});

test('a will is published when the client is lost, and not after DISCONNECT', async (t) => {
  const { sink, address } = await start(t);
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
  const { address } = await start(t);
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

test('what a CONNECT is refused for', async (t) => {
  const { address } = await start(t, { maxConnections: 1 });
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
  const { sink, address } = await start(t, { maxPacketBytes: 1024 });
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
    ['an empty topic name', '30 03 0000 00', 0x90],
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
  const { address } = await start(t);
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
  const { sink, address } = await start(t);
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

test('a client without CONNECT, and one silent for longer than its keep-alive allows, are let go', async (t) => {
  const clock = new ManualClock();
  const { address } = await start(t, {}, clock);
  const silent = await RawMqttClient.connected(t, address, 5, { clientId: 'silent', keepalive: 10 });
  const pinging = await RawMqttClient.connected(t, address, 5, { clientId: 'pinging', keepalive: 10 });
  const newcomer = new RawMqttClient(t, address, 4);
  await once(newcomer.socket, 'connect');
  await waitUntil('its deadline runs', () => clock.timers === 3);
  clock.advance(4999);
  assert.equal(newcomer.isClosed, false);
  clock.advance(1);
  await newcomer.closed();
  pinging.send({ cmd: 'pingreq' });
  await pinging.received(2);
  clock.advance(10_000);
  await silent.closed();
  assert.equal(reasonOf(silent.packets.at(-1)), 0x8d);
  pinging.send({ cmd: 'pingreq' });
  await pinging.received(3);
  assert.equal(pinging.isClosed, false);
});

test('a client that the server does not read from is not let go for its silence', async (t) => {
  const clock = new ManualClock();
  const { sink, address } = await start(t, {}, clock);
  const stored: ((matches: number) => void)[] = [];
  sink.answer = () => new Promise((resolve) => stored.push(resolve));
  const client = await RawMqttClient.connected(t, address, 5, { keepalive: 10 });
  client.send(...Array.from({ length: 1024 }, (_, index) => publish(index + 1, 1)));
  await waitUntil('the limit', () => stored.length === 1024);
  clock.advance(60_000);
  for (const resolve of stored) resolve(1);
  await client.received(1025);
  assert.equal(client.packets.at(-1)?.cmd, 'puback');
  clock.advance(15_000);
  await client.closed();
  assert.equal(reasonOf(client.packets.at(-1)), 0x8d);
});

test('a session is kept for its expiry and no longer', async (t) => {
  const clock = new ManualClock();
  const { address } = await start(t, {}, clock);
  const connectAndLose = async () => {
    const client = await RawMqttClient.connected(t, address, 5, {
      clean: false,
      properties: { sessionExpiryInterval: 60 },
    });
    client.send({ cmd: 'disconnect', reasonCode: 0 });
    await client.closed();
    return (client.packets[0] as { sessionPresent?: boolean }).sessionPresent;
  };
  assert.equal(await connectAndLose(), false);
  clock.advance(59_999);
  assert.equal(await connectAndLose(), true);
  clock.advance(60_000);
  assert.equal(await connectAndLose(), false);
});

test('stopping acknowledges what is on its way, then says so', async (t) => {
  const { sink, listener, address } = await start(t);
  let stored = (_: number) => {};
  sink.answer = () =>
    new Promise((resolve) => {
      stored = resolve;
    });
  const client = await RawMqttClient.connected(t, address, 5, {
    will: { topic: 'gone', payload: 'bye', qos: 0, retain: false },
  });
  const newcomer = new RawMqttClient(t, address, 4);
  await once(newcomer.socket, 'connect');
  client.send(publish(1, 1));
  await waitUntil('on its way', () => sink.messages.length === 1);
  const stopped = listener[Symbol.asyncDispose]();
  stored(1);
  await stopped;
  await client.closed();
  await newcomer.closed();
  assert.deepEqual(
    client.packets.map(({ cmd }) => cmd),
    ['connack', 'puback', 'disconnect'],
  );
  assert.equal(reasonOf(client.packets.at(-1)), 0x8b);
  assert.equal(sink.messages.length, 1, 'a will says that the client is gone, which it is not');
});

test('a taken port is told in one line', async (t) => {
  const { address } = await start(t);
  const port = Number(address.split(':')[1]);
  const config = { host: '127.0.0.1', port, maxPacketBytes: 1024, maxConnections: 1 };
  await assert.rejects(startListener(config, { ...testDeps(), takeIn: async () => 0 }), {
    message: `port ${port} is in use: free it, or choose another with PENSTOCK_MQTT_PORT (--mqtt-port)`,
  });
});
