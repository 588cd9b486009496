import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import mqtt from 'mqtt';
import { BusError } from '../../src/bus/bus.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { acks, mqttClient, publish, pubrel, reasonOf } from '../helpers/mqtt-listener.ts';
import { webSocketListenerForTests } from '../helpers/mqtt-web-socket.ts';
import { connectPacket, RawMqttClient } from '../helpers/raw-mqtt-client.ts';
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  clientFrame,
  PING,
  PONG,
  RawWebSocket,
  TEXT,
} from '../helpers/raw-websocket.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const MiB = 1_048_576;

for (const protocolVersion of [3, 4, 5] as const) {
  test(`mqtt.js of version ${protocolVersion} publishes over WebSocket as over TCP`, async (t) => {
    const { sink, url, metrics } = await webSocketListenerForTests(t, {
      limits: { maxPacketBytes: 2 * MiB },
    });
    const protocolId = protocolVersion === 3 ? 'MQIsdp' : 'MQTT';
    const client = await mqtt.connectAsync(url, { protocolVersion, protocolId, reconnectPeriod: 0 });
    t.after(() => client.endAsync(true));
    for (const qos of [0, 1, 2] as const) await client.publishAsync('a/b', `of QoS ${qos}`, { qos });
    const large = randomBytes(MiB);
    await client.publishAsync('a/b', large, { qos: 1 });
    assert.deepEqual(sink.payloads.slice(0, 3), ['of QoS 0', 'of QoS 1', 'of QoS 2']);
    assert.ok(large.equals(Buffer.from(sink.messages[3]!.payload)));
    const { values } = await metrics.mqttConnections.get();
    const open = values.map(({ labels, value }) => [labels.transport, value]);
    assert.deepEqual(Object.fromEntries(open), { tcp: 0, websocket: 1 });
    await client.endAsync();
    const gone = async () => (await metrics.mqttConnections.get()).values.every(({ value }) => value === 0);
    await waitUntil('it is gone', gone);
    const ends = (await metrics.mqttDisconnects.get()).values.map(({ labels, value }) => [
      labels.reason,
      value,
    ]);
    assert.deepEqual(ends, [['disconnect', 1]]);
  });
}

test('what was not acknowledged is sent again over the next WebSocket', async (t) => {
  const { sink, url } = await webSocketListenerForTests(t);
  const client = await mqtt.connectAsync(url, { clean: false, clientId: 'device', reconnectPeriod: 10 });
  t.after(() => client.endAsync(true));
  sink.answer = () => Promise.reject(new BusError('failed', 'Kafka is away'));
  const published = client.publishAsync('a/b', 'once more', { qos: 1 });
  await new Promise<void>((resolve) => client.once('close', () => resolve()));
  sink.answer = async () => 1;
  await published;
  assert.deepEqual(new Set(sink.payloads), new Set(['once more']));
  assert.ok(sink.payloads.length > 1);
});

test("Node's own client is let in, and told the subprotocol", async (t) => {
  const { url } = await webSocketListenerForTests(t);
  const socket = new WebSocket(url, ['other', 'mqtt']);
  await once(socket, 'open');
  assert.deepEqual([socket.protocol, socket.extensions], ['mqtt', '']);
  socket.close();
  const [{ code, wasClean }] = await once(socket, 'close');
  assert.deepEqual([code, wasClean], [1000, true]);
});

test('packets come in frames of any kind: many in one, one in many, with PINGs between', async (t) => {
  const { sink, httpAddress } = await webSocketListenerForTests(t);
  const client = await RawWebSocket.open(t, httpAddress, 4);
  const bytes = (...ids: number[]) => Buffer.concat(ids.map((id) => client.packet(publish(id, 1))));
  client.write(clientFrame(BINARY, Buffer.concat([client.packet(connectPacket(4)), bytes(1, 2)])));
  const one = bytes(3);
  for (const [index, byte] of one.entries()) {
    const isFinal = index === one.length - 1;
    client.write(clientFrame(index === 0 ? BINARY : CONTINUATION, Buffer.from([byte]), { isFinal }));
    client.write(clientFrame(PING, `${index}`), clientFrame(PONG, ''));
    await new Promise((resolve) => setImmediate(resolve));
  }
  const [begin, end] = [bytes(4).subarray(0, 5), bytes(4).subarray(5)];
  client.write(clientFrame(BINARY, begin), clientFrame(BINARY, ''), clientFrame(BINARY, end));
  await client.received(5);
  assert.deepEqual(acks(client.packets), ['puback 1', 'puback 2', 'puback 3', 'puback 4']);
  assert.deepEqual(sink.payloads, ['m1', 'm2', 'm3', 'm4']);
  const answer = () => client.frames.findLast(({ opcode }) => opcode === PONG)?.payload.toString();
  await waitUntil('the last PONG', () => answer() === `${one.length - 1}`);
});

const WRONG: readonly (readonly [string, number, ...Buffer[]])[] = [
  ['text frames', 1003, clientFrame(TEXT, 'hello')],
  ['frames that are not masked', 1002, clientFrame(BINARY, 'x', { isMasked: false })],
  ['reserved bits', 1002, clientFrame(BINARY, 'x', { reserved: 0x40 })],
  ['types that nobody knows', 1002, clientFrame(3, 'x')],
  ['continuations of nothing', 1002, clientFrame(CONTINUATION, 'x')],
  ['a PING in parts', 1002, clientFrame(PING, 'x', { isFinal: false })],
  ['a long PING', 1002, clientFrame(PING, Buffer.alloc(126))],
  ['a message in another', 1002, clientFrame(BINARY, '', { isFinal: false }), clientFrame(BINARY, '')],
  ['a frame without end', 1009, Buffer.from('82ffffffffffffffffff00000000', 'hex')],
];
for (const [what, code, ...frames] of WRONG) {
  test(`${what}: the connection ends, and the client is told`, async (t) => {
    const { sink, httpAddress, metrics } = await webSocketListenerForTests(t);
    const client = await RawWebSocket.open(t, httpAddress);
    client.send({
      ...connectPacket(5),
      will: { topic: 'w', payload: Buffer.from('gone'), qos: 0, retain: false },
    });
    await client.received(1);
    client.write(...frames);
    await client.closed();
    assert.equal(client.closeCode, code);
    assert.equal(reasonOf(client.packets.at(-1)), 0x82);
    await waitUntil('the will', () => sink.payloads.includes('gone'));
    const [end] = (await metrics.mqttDisconnects.get()).values;
    assert.deepEqual([end?.labels.reason, end?.value], ['protocol-error', 1]);
  });
}

test('a client that closes behind its messages has them acknowledged first', async (t) => {
  const { sink, httpAddress } = await webSocketListenerForTests(t);
  const stored = Promise.withResolvers<number>();
  sink.answer = () => stored.promise;
  const client = await RawWebSocket.open(t, httpAddress, 4);
  client.send(connectPacket(4), publish(1, 1), publish(2, 2));
  client.write(clientFrame(CLOSE, Buffer.from([0x03, 0xe8])), clientFrame(BINARY, 'behind it'));
  await waitUntil('both are on their way', () => sink.messages.length === 2);
  assert.equal(client.closeCode, undefined);
  stored.resolve(1);
  await client.closed();
  assert.deepEqual(acks(client.packets), ['puback 1', 'pubrec 2']);
  assert.deepEqual([client.closeCode, client.frames.at(-1)?.opcode], [1000, CLOSE]);
});

test('one that goes without a CLOSE is heard to its last packet, and has its will published', async (t) => {
  const { sink, httpAddress } = await webSocketListenerForTests(t);
  const client = await RawWebSocket.open(t, httpAddress, 4);
  const will = { topic: 'w', payload: Buffer.from('gone'), qos: 0, retain: false } as const;
  client.send({ ...connectPacket(4), will }, publish(1, 1));
  client.socket.end();
  await client.closed();
  assert.deepEqual(acks(client.packets), ['puback 1']);
  await waitUntil('the will', () => sink.messages.length === 2);
  assert.deepEqual(sink.payloads, ['m1', 'gone']);
});

test('a packet that is too large is refused by what it says of its size', async (t) => {
  const { httpAddress } = await webSocketListenerForTests(t, { limits: { maxPacketBytes: MiB } });
  const stranger = await RawWebSocket.open(t, httpAddress);
  const begin = Buffer.from([0x10, 0xff, 0xff, 0x7f]);
  stranger.write(clientFrame(BINARY, begin));
  await stranger.closed();
  assert.deepEqual(stranger.packets, []);
  const client = await RawWebSocket.open(t, httpAddress);
  client.send(connectPacket(5));
  await client.received(1);
  client.write(clientFrame(BINARY, Buffer.from([0x30, 0xff, 0xff, 0x7f])));
  await client.closed();
  assert.equal(reasonOf(client.packets.at(-1)), 0x95);
});

test('PINGs of the WebSocket keep no client that MQTT hears nothing of', async (t) => {
  const clock = new ManualClock();
  const { httpAddress } = await webSocketListenerForTests(t, { clock });
  const newcomer = await RawWebSocket.open(t, httpAddress);
  const silent = await RawWebSocket.open(t, httpAddress);
  silent.send(connectPacket(5, 'silent'));
  await silent.received(1);
  const ping = async (client: RawWebSocket, text: string) => {
    client.write(clientFrame(PING, text));
    await waitUntil('a PONG', () => client.frames.at(-1)?.payload.toString() === text);
  };
  await ping(newcomer, 'a');
  clock.advance(10_000);
  await newcomer.closed();
  const client = await RawWebSocket.open(t, httpAddress);
  client.send({ ...connectPacket(5, 'pinging'), keepalive: 10 });
  await client.received(1);
  clock.advance(14_000);
  await ping(client, 'b');
  clock.advance(1000);
  await client.closed();
  assert.equal(reasonOf(client.packets.at(-1)), 0x8d);
  assert.equal(silent.socket.closed, false, 'one without a keep-alive');
});

test('client ids, sessions and the room for connections are those of the listener, whatever clients come over', async (t) => {
  const { address, httpAddress, sink } = await webSocketListenerForTests(t, {
    limits: { maxConnections: 1 },
  });
  const kept = { clean: false, properties: { sessionExpiryInterval: 60 } };
  const first = await RawMqttClient.connected(t, address, 5, { ...kept, clientId: 'device' });
  first.send(publish(1, 2));
  await first.received(2);
  const second = await RawWebSocket.open(t, httpAddress);
  second.send({ ...connectPacket(5, 'device'), ...kept });
  await first.closed();
  assert.equal(reasonOf(first.packets.at(-1)), 0x8e);
  second.send(publish(1, 2, { dup: true }), pubrel(1));
  await second.received(3);
  assert.deepEqual(acks(second.packets), ['pubrec 1', 'pubcomp 1']);
  assert.deepEqual(sink.payloads, ['m1']);
  const other = new RawMqttClient(t, address, 5);
  other.send(connectPacket(5, 'other'));
  await other.closed();
  assert.equal(reasonOf(other.packets[0]), 0x97);
});

test('WebSockets without a CONNECT keep nobody out: of too many, the oldest goes', {
  timeout: 120_000,
}, async (t) => {
  const { httpAddress, address, url } = await webSocketListenerForTests(t, { clock: new ManualClock() });
  const silent: RawWebSocket[] = [];
  while (silent.length < 1200) {
    const some = Array.from({ length: 50 }, () => new RawWebSocket(t, httpAddress));
    await waitUntil('their handshakes', () => some.every(({ head }) => head.startsWith('HTTP/1.1 101')));
    silent.push(...some);
  }
  const closed = () => silent.filter(({ socket }) => socket.closed).length;
  await waitUntil('the oldest are cut', () => closed() === 200);
  const client = await mqtt.connectAsync(url, { reconnectPeriod: 0 });
  t.after(() => client.endAsync(true));
  await client.publishAsync('a/b', 'x', { qos: 1 });
  await mqttClient(t, address, {});
  assert.equal((await fetch(`http://${httpAddress}/openapi.json`)).status, 200);
});

test('clients that are connected take no room of requests: all stay, and the API answers', {
  timeout: 120_000,
}, async (t) => {
  const { httpAddress } = await webSocketListenerForTests(t, { limits: { maxConnections: 2000 } });
  const clients: RawWebSocket[] = [];
  while (clients.length < 1150) {
    const some = Array.from({ length: 50 }, () => new RawWebSocket(t, httpAddress));
    await waitUntil('their handshakes', () => some.every(({ head }) => head !== ''));
    for (const [index, client] of some.entries()) client.send(connectPacket(5, `${clients.length + index}`));
    await waitUntil('their CONNACKs', () => some.every(({ packets }) => packets.length === 1));
    clients.push(...some);
  }
  assert.equal((await fetch(`http://${httpAddress}/openapi.json`)).status, 200);
  assert.ok(clients.every(({ socket }) => !socket.closed));
});

test('a server that stops acknowledges what was taken in, says so to the client, and closes', async (t) => {
  const { server, sink, url, httpAddress } = await webSocketListenerForTests(t);
  const stored = Promise.withResolvers<number>();
  sink.answer = () => stored.promise;
  const client = await RawWebSocket.open(t, httpAddress);
  const will = { topic: 'w', payload: Buffer.from('gone'), qos: 0, retain: false } as const;
  client.send({ ...connectPacket(5), will }, publish(1, 1));
  await waitUntil('it is on its way', () => sink.messages.length === 1);
  const stopped = server[Symbol.asyncDispose]();
  stored.resolve(1);
  await client.closed();
  await stopped;
  assert.deepEqual(
    client.packets.slice(1).map(({ cmd }) => cmd),
    ['puback', 'disconnect'],
  );
  assert.equal(reasonOf(client.packets.at(-1)), 0x8b);
  assert.equal(client.closeCode, 1000);
  assert.deepEqual(sink.payloads, ['m1'], 'no will: it is the node that goes');
  await assert.rejects(mqtt.connectAsync(url, { reconnectPeriod: 0 }));
});
