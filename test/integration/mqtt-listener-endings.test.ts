import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { BusError } from '../../src/bus/bus.ts';
import { startListener } from '../../src/ingress/listener/listener.ts';
import { ByteLimit } from '../../src/runtime/byte-limit.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import {
  acks,
  FakeNotes,
  LISTENER,
  listenerForTests,
  publish,
  pubrel,
  reasonOf,
} from '../helpers/mqtt-listener.ts';
import { RawMqttClient } from '../helpers/raw-mqtt-client.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

test('a newer connection takes the client id over', async (t) => {
  const { address } = await listenerForTests(t);
  for (const version of [4, 5] as const) {
    const first = await RawMqttClient.connected(t, address, version);
    await RawMqttClient.connected(t, address, version);
    await first.closed();
    assert.equal(reasonOf(first.packets[1]), version === 5 ? 0x8e : undefined);
  }
});

test('a client without CONNECT, and one silent for longer than its keep-alive allows, are let go', async (t) => {
  const clock = new ManualClock();
  const { address } = await listenerForTests(t, {}, clock);
  const silent = await RawMqttClient.connected(t, address, 5, { clientId: 'silent', keepalive: 10 });
  const pinging = await RawMqttClient.connected(t, address, 5, { clientId: 'pinging', keepalive: 10 });
  const newcomer = new RawMqttClient(t, address, 4);
  await once(newcomer.socket, 'connect');
  await waitUntil('its deadline runs', () => clock.timers === 3);
  clock.advance(9999);
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
  const { sink, address } = await listenerForTests(t, {}, clock);
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

test('the time that a client was not read from is not counted once it is again', async (t) => {
  const clock = new ManualClock();
  const { sink, address } = await listenerForTests(t, {}, clock);
  const stored: ((matches: number) => void)[] = [];
  sink.answer = () => new Promise((resolve) => stored.push(resolve));
  const client = await RawMqttClient.connected(t, address, 5, { keepalive: 10 });
  client.send(...Array.from({ length: 1024 }, (_, index) => publish(index + 1, 1)));
  await waitUntil('the limit', () => stored.length === 1024);
  clock.advance(10_000);
  for (const resolve of stored) resolve(1);
  await client.received(1025);
  clock.advance(14_999);
  client.send({ cmd: 'pingreq' });
  await client.received(1026);
  assert.equal(client.packets.at(-1)?.cmd, 'pingresp');
});

test('what a client sent before it hung up is read to its end, also when it had to wait', async (t) => {
  const { sink, address } = await listenerForTests(t);
  const stored: ((matches: number) => void)[] = [];
  sink.answer = () => new Promise((resolve) => stored.push(resolve));
  const will = { topic: 'gone', payload: 'bye', qos: 0, retain: false } as const;
  const client = await RawMqttClient.connected(t, address, 5, { clientId: 'hangs up', will });
  const other = await RawMqttClient.connected(t, address, 5, { clientId: 'other' });
  client.send(...Array.from({ length: 1030 }, () => publish(0, 0)), { cmd: 'disconnect', reasonCode: 0 });
  await waitUntil('the limit', () => stored.length === 1024);
  client.socket.end();
  await once(client.socket, 'finish');
  other.send({ cmd: 'pingreq' });
  await other.received(2); // the server has seen the end by now
  for (const resolve of stored.splice(0)) resolve(1);
  await client.closed();
  assert.equal(sink.messages.length, 1030);
  assert.ok(!sink.payloads.includes('bye'), 'it said goodbye, so its will is void');
});

for (const goodbye of [false, true]) {
  const how = goodbye ? 'DISCONNECT and FIN' : 'FIN';
  test(`what is stored is acknowledged before the connection is closed behind a ${how}`, async (t) => {
    const { sink, address } = await listenerForTests(t);
    const stored: ((matches: number) => void)[] = [];
    sink.answer = () => new Promise((resolve) => stored.push(resolve));
    const will = { topic: 'gone', payload: 'bye', qos: 0, retain: false } as const;
    for (const version of [4, 5] as const) {
      const client = await RawMqttClient.connected(t, address, version, { will });
      client.send(...Array.from({ length: 50 }, (_, index) => publish(index + 1, index % 2 === 0 ? 1 : 2)));
      if (goodbye) client.send({ cmd: 'disconnect', reasonCode: 0 });
      await waitUntil('all on their way', () => stored.length === 50);
      client.socket.end();
      await once(client.socket, 'finish');
      const other = await RawMqttClient.connected(t, address, version, { clientId: 'other' });
      other.send({ cmd: 'pingreq' });
      await other.received(2); // the server has seen the end by now
      for (let answered = 0; answered < 50; answered++) {
        await waitUntil('the next message', () => stored.length > 0);
        stored.shift()?.(1);
      }
      await client.closed();
      const expected = Array.from({ length: 50 }, (_, i) => `${i % 2 === 0 ? 'puback' : 'pubrec'} ${i + 1}`);
      assert.deepEqual(acks(client.packets), expected);
      const last = sink.payloads.at(-1);
      assert.equal(last, goodbye ? 'm50' : 'bye', 'the will comes behind what its client sent');
      for (const resolve of stored.splice(0)) resolve(1);
    }
  });
}

test('a client that hung up, and whose message Kafka does not take, is let go like any other', async (t) => {
  const { sink, address, metrics } = await listenerForTests(t);
  let fail = () => {};
  sink.answer = () =>
    new Promise((_, reject) => {
      fail = () => reject(new BusError('timeout', 'late'));
    });
  const client = await RawMqttClient.connected(t, address, 5);
  client.send(publish(1, 1));
  client.socket.end();
  await waitUntil('on its way', () => sink.messages.length === 1);
  fail();
  await client.closed();
  assert.deepEqual(client.packets.slice(1).map(reasonOf), [0x89]);
  const { values } = await metrics.mqttDisconnects.get();
  assert.deepEqual(
    values.map(({ labels, value }) => [labels.reason, value]),
    [['not-stored', 1]],
  );
});

test('a PUBREL before a hang-up or a DISCONNECT has its PUBCOMP, also when taking back its note takes its time', async (t) => {
  const { notes, address } = await listenerForTests(t);
  for (const clientId of ['hangs up', 'disconnects']) {
    notes.answer = async () => {};
    const client = await RawMqttClient.connected(t, address, 4, { clientId, clean: false });
    client.send(publish(7, 2));
    await client.received(2);
    const released = Promise.withResolvers<void>();
    notes.answer = () => released.promise;
    client.send(pubrel(7));
    if (clientId === 'hangs up') client.socket.end();
    else client.send({ cmd: 'disconnect' });
    await waitUntil('it is taken back', () => notes.asked.includes(`released ${clientId} 7`));
    const other = await RawMqttClient.connected(t, address, 4, { clientId: 'other' });
    other.send({ cmd: 'pingreq' });
    await other.received(2);
    released.resolve();
    await client.closed();
    assert.deepEqual(acks(client.packets), ['pubrec 7', 'pubcomp 7']);
  }
});

test('a client that hung up and is back before Kafka has its messages takes its session along', async (t) => {
  const { sink, address } = await listenerForTests(t);
  const stored: ((matches: number) => void)[] = [];
  sink.answer = () => new Promise((resolve) => stored.push(resolve));
  const first = await RawMqttClient.connected(t, address, 4, { clean: false });
  first.send(publish(1, 2), { cmd: 'disconnect' });
  first.socket.end();
  await waitUntil('on its way', () => stored.length === 1);
  const second = await RawMqttClient.connected(t, address, 4, { clean: false });
  await first.closed();
  second.send(publish(1, 2, { dup: true }));
  stored[0]?.(1);
  await second.received(2);
  assert.deepEqual(acks(second.packets), ['pubrec 1']);
  assert.equal(sink.messages.length, 1);
});

test('the session expiry of a DISCONNECT replaces that of the CONNECT', async (t) => {
  const { address } = await listenerForTests(t);
  const visit = async (atFirst: number, atLast: number) => {
    const properties = { sessionExpiryInterval: atFirst };
    const client = await RawMqttClient.connected(t, address, 5, { clean: false, properties });
    client.send({ cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: atLast } });
    await client.closed();
    return (client.packets[0] as { sessionPresent?: boolean }).sessionPresent;
  };
  assert.equal(await visit(60, 0), false);
  assert.equal(await visit(60, 60), false);
  assert.equal(await visit(60, 0), true);
  assert.equal(await visit(60, 0), false);
});

test('a session is kept for its expiry and no longer', async (t) => {
  const clock = new ManualClock();
  const { address } = await listenerForTests(t, {}, clock);
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
  const { sink, listener, address } = await listenerForTests(t);
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

test('a port that cannot be listened on is told in one line, with the setting to change', async (t) => {
  const { address } = await listenerForTests(t);
  const port = Number(address.split(':')[1]);
  const start = (host: string) => {
    return startListener(
      { ...LISTENER, host, port },
      { ...testDeps(), takeIn: async () => 0, notes: new FakeNotes(), waiting: new ByteLimit(1) },
    );
  };
  await assert.rejects(start('127.0.0.1'), {
    name: 'UserError',
    message: `port ${port} is in use: free it, or choose another with PENSTOCK_MQTT_PORT (--mqtt-port)`,
  });
  await assert.rejects(start('203.0.113.1'), {
    name: 'UserError',
    message: /^cannot listen on 203\.0\.113\.1:\d+ .*PENSTOCK_BIND_ADDRESS and PENSTOCK_MQTT_PORT/,
  });
});

test('a packet has so long from its first byte to its last, also without a keep-alive', async (t) => {
  const clock = new ManualClock();
  const { address } = await listenerForTests(t, { packetTimeout: 10_000 }, clock);
  const slow = await RawMqttClient.connected(t, address, 5, { clientId: 'slow' });
  const idle = await RawMqttClient.connected(t, address, 5, { clientId: 'idle' });
  assert.equal(clock.timers, 0, 'who sends nothing may take any time');
  slow.sendHex('30 10 0001');
  await waitUntil('a packet that has begun', () => clock.timers === 1);
  clock.advance(6000);
  slow.sendHex('61');
  idle.send({ cmd: 'pingreq' });
  await idle.received(2);
  clock.advance(3999);
  slow.sendHex('61');
  idle.send({ cmd: 'pingreq' });
  await idle.received(3);
  assert.equal(slow.isClosed, false);
  clock.advance(1);
  await slow.closed();
  assert.equal(reasonOf(slow.packets.at(-1)), 0x83);
  clock.advance(3_600_000);
  idle.send({ cmd: 'pingreq' });
  await idle.received(4);
});

test('a will waits for its delay; a client that is back within it has none, and one that stays away has', async (t) => {
  const clock = new ManualClock();
  const { sink, address } = await listenerForTests(t, {}, clock);
  const will = {
    topic: 'gone',
    payload: 'bye',
    qos: 1,
    retain: false,
    properties: { willDelayInterval: 60 },
  } as const;
  const connect = () =>
    RawMqttClient.connected(t, address, 5, {
      clean: false,
      will,
      properties: { sessionExpiryInterval: 300 },
    });
  const lose = async (client: RawMqttClient) => {
    const timers = clock.timers;
    client.socket.destroy();
    await waitUntil('the will waits', () => clock.timers > timers);
  };
  await lose(await connect());
  clock.advance(59_999);
  const second = await connect();
  clock.advance(60_000);
  const third = await connect(); // takes over
  await second.closed();
  clock.advance(60_000);
  assert.deepEqual(sink.payloads, []);
  await lose(third);
  clock.advance(60_000);
  await waitUntil('the will', () => sink.messages.length === 1);
  assert.deepEqual([sink.messages[0]?.clientId, sink.payloads], ['raw', ['bye']]);
});

test('only a DISCONNECT that says all is well takes the will back', async (t) => {
  const { sink, address } = await listenerForTests(t);
  const will = { topic: 'gone', payload: 'bye', qos: 1, retain: false } as const;
  for (const reasonCode of [0x00, 0x04, 0x80, 0x97]) {
    const client = await RawMqttClient.connected(t, address, 5, { will });
    client.send({ cmd: 'disconnect', reasonCode });
    await client.closed();
  }
  const shortest = await RawMqttClient.connected(t, address, 5, { will });
  shortest.sendHex('e0 00');
  await shortest.closed();
  assert.equal(sink.messages.length, 3);
});

test('a client that is let go because Kafka is away keeps its will, unless it is back soon', async (t) => {
  const clock = new ManualClock();
  const { sink, address } = await listenerForTests(t, {}, clock);
  const will = { topic: 'gone', payload: 'bye', qos: 1, retain: false } as const;
  const letGo = async (clientId: string) => {
    sink.answer = () => Promise.reject(new BusError('timeout', 'Kafka is away'));
    const client = await RawMqttClient.connected(t, address, 4, { clientId, will });
    client.send(publish(1, 1));
    await client.closed();
    sink.answer = async () => 1;
  };
  await letGo('stays away');
  await letGo('is back');
  await RawMqttClient.connected(t, address, 4, { clientId: 'is back', will });
  clock.advance(10_000);
  await waitUntil('the will', () => sink.payloads.includes('bye'));
  clock.advance(60_000);
  assert.deepEqual(
    sink.messages.filter(({ topicName }) => topicName === 'gone').map(({ clientId }) => clientId),
    ['stays away'],
  );
});

test('wills that wait are published when the node stops', async (t) => {
  const { sink, listener, address } = await listenerForTests(t);
  const properties = { willDelayInterval: 60 };
  const client = await RawMqttClient.connected(t, address, 5, {
    clean: false,
    properties: { sessionExpiryInterval: 300 },
    will: { topic: 'gone', payload: 'bye', qos: 1, retain: false, properties },
  });
  client.send({ cmd: 'disconnect', reasonCode: 4 });
  await client.closed();
  assert.deepEqual(sink.payloads, []);
  await listener[Symbol.asyncDispose]();
  assert.deepEqual(sink.payloads, ['bye']);
});

test('sockets that stay silent keep no client out: the oldest of them go', async (t) => {
  const { sink, address, metrics } = await listenerForTests(t, {}, new ManualClock());
  const silent: RawMqttClient[] = [];
  const open = async () => {
    const client = new RawMqttClient(t, address, 4);
    silent.push(client);
    await once(client.socket, 'connect');
  };
  const connected = await RawMqttClient.connected(t, address, 4, { clientId: 'connected' });
  for (let i = 0; i < 1200; i++) await open();
  const late = await RawMqttClient.connected(t, address, 4, { clientId: 'late' });
  late.send(publish(1, 1));
  await late.received(2);
  await waitUntil('the oldest are gone', () => silent.filter(({ isClosed }) => isClosed).length >= 200);
  assert.ok(silent.slice(0, 200).every(({ isClosed }) => isClosed));
  assert.equal(silent.at(-1)?.isClosed, false);
  connected.send(publish(2, 1));
  await connected.received(2);
  assert.deepEqual(sink.payloads, ['m1', 'm2']);
  const { values } = await metrics.mqttDisconnects.get();
  assert.ok(values.find(({ labels }) => labels.reason === 'crowded-out')!.value >= 200);
});
