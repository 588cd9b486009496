import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { DELIVERED, type Handler, type Outbound, type Outcome } from '../../src/executor/handlers/handler.ts';
import { type Clock, systemClock } from '../../src/runtime/clock.ts';
import { bound, connected, contextOf, never, outbound } from '../helpers/handler.ts';
import { mosquitto } from '../helpers/mosquitto.ts';
import { type MqttInit, message, toBroker } from '../helpers/mqtt-handler.ts';
import { mqttClient } from '../helpers/mqtt-listener.ts';
import { type RawMqttBroker, rawMqttBroker } from '../helpers/raw-mqtt-broker.ts';
import { waitUntil } from '../helpers/wait-until.ts';

/** A clock on which timers run so many times faster; `set` are those that were set, in milliseconds. */
function fastClock(times: number): Clock & { readonly set: number[] } {
  const set: number[] = [];
  const setTimer: Clock['setTimer'] = (callback, ms, options) => {
    set.push(ms);
    return systemClock.setTimer(callback, ms / times, options);
  };
  return { ...systemClock, setTimer, set };
}

const idsOf = (broker: RawMqttBroker) => [...broker.clients].map(({ connect }) => connect!.clientId);

function failed(outcome: Outcome | undefined) {
  assert.ok(outcome && !outcome.delivered);
  assert.equal(outcome.failureClass, FailureClass.DISCONNECTED);
  return outcome.reason;
}

test('a pool has a client id for each connection, and one connection for each client', async (t) => {
  const broker = await rawMqttBroker(t);
  const over = new Map<string, Set<string>>();
  broker.onPublish = (packet, client) => {
    const from = packet.payload.toString();
    over.set(from, (over.get(from) ?? new Set()).add(client.connect!.clientId));
    client.acknowledge(packet);
  };
  const value = { poolSize: 4, clientIdPrefix: 'plant', mqttVersion: 5 as const };
  const handler = await connected(t, toBroker(broker.port, value));
  const ids = idsOf(broker).toSorted();
  assert.equal(ids.length, 4);
  const [, start] = /^(plant:an-integration[0-9a-f]{8}):1$/.exec(ids[0]!) ?? [];
  assert.deepEqual(
    ids,
    [1, 2, 3, 4].map((n) => `${start}:${n}`),
  );
  const pack = Array.from({ length: 200 }, (_, i) => {
    const clientId = `client ${i % 40}`;
    return message({ clientId, payload: Buffer.from(clientId) });
  });
  await handler.deliver(pack, never);
  assert.equal(over.size, 40);
  for (const connections of over.values()) assert.equal(connections.size, 1);
  assert.equal(new Set([...over.values()].flatMap((one) => [...one])).size, 4, 'all of them are used');
});

test('a fixed client id is used as it is, and by no other share or connection', async (t) => {
  const broker = await rawMqttBroker(t);
  const clientId = 'bridge';
  await connected(t, toBroker(broker.port, { clientId }));
  await connected(t, toBroker(broker.port, { clientId }), { shard: 1, shards: 3 });
  await connected(t, toBroker(broker.port, { clientId, poolSize: 2 }), { shard: 2, shards: 3 });
  assert.deepEqual(idsOf(broker), ['bridge', 'bridge-1', 'bridge-2:1', 'bridge-2:2']);
});

test('generated client ids differ with each start, and are short for MQTT 3.1', async (t) => {
  const broker = await rawMqttBroker(t);
  const integrationName = 'a name of an integration that is longer than any client id should be: Größe';
  for (const clientIdPrefix of ['', 'plant-12']) {
    for (const mqttVersion of [3, 5] as const) {
      const value = { mqttVersion, clientIdPrefix, poolSize: 10 };
      await connected(t, toBroker(broker.port, value), { integrationName });
    }
  }
  const ids = idsOf(broker);
  assert.equal(new Set(ids).size, 40);
  for (const id of ids.slice(0, 10)) assert.match(id, /^a-name-of-[a-z-]{0,2}[0-9a-f]{8}:\d+$/);
  for (const id of ids.slice(20, 30)) assert.match(id, /^plant-12:a-n[0-9a-f]{8}:\d+$/);
  for (const id of [...ids.slice(0, 10), ...ids.slice(20, 30)]) assert.ok(id.length <= 23, id);
});

test('static client ids connect with their own credentials on the executor they are for', async (t) => {
  const broker = await rawMqttBroker(t);
  const entry = (serviceId: string, clientId: string) => ({
    serviceId,
    clientId,
    username: `user ${clientId}`,
    password: `password ${clientId}`,
  });
  const staticClientIds = [
    ...[entry('e1', 'a'), entry('e1', 'b'), entry('e2', 'c')],
    ...[entry('', 'd'), { clientId: 'e' }],
  ];
  const credentials = {
    credentials: { case: 'basic' as const, value: { username: 'all', password: 'of them' } },
  };
  const configuration = toBroker(broker.port, { staticClientIds, credentials });
  const cameAs = async (context: Parameters<typeof contextOf>[0]) => {
    const handler = bound(configuration).create(contextOf(context));
    await handler.connect(never);
    const came = [...broker.clients].map(({ connect }) => {
      const { clientId, username, password } = connect!;
      return `${clientId} ${username} ${password}`;
    });
    await handler[Symbol.asyncDispose]();
    await waitUntil('they are gone', () => broker.clients.size === 0);
    return came;
  };
  const a = 'a user a password a';
  const b = 'b user b password b';
  const c = 'c user c password c';
  const d = 'd user d password d';
  const e = 'e all of them';
  assert.deepEqual(await cameAs({ serviceId: 'e1' }), [a, b, d, e]);
  assert.deepEqual(await cameAs({ serviceId: 'e2' }), [c, d, e]);
  assert.deepEqual(await cameAs({ serviceId: 'e1', shard: 0, shards: 2 }), [a, d]);
  assert.deepEqual(await cameAs({ serviceId: 'e1', shard: 1, shards: 2 }), [b, e]);
  assert.deepEqual(await cameAs({ serviceId: 'e2', shard: 1, shards: 2 }), [e]);
  await assert.rejects(
    cameAs({ serviceId: 'e2', shard: 2, shards: 3 }),
    /none.*e2.*share 3 of 3.*at least 3/,
  );
});

test('two shares and a check with the same fixed client id leave one another alone', async (t) => {
  const broker = await mosquitto(t);
  const configuration = toBroker(broker.port, { clientId: 'bridge', mqttVersion: 5 });
  const first = await connected(t, configuration, { shard: 0, shards: 2 });
  const second = await connected(t, configuration, { shard: 1, shards: 2 });
  for (const handler of [first, second, first, second]) {
    assert.equal((await bound(configuration).check(contextOf(), never)).reachable, true);
    assert.deepEqual(await handler.deliver([outbound('hello')], never), [DELIVERED]);
  }
  assert.equal(broker.log.match(/New client connected .* as bridge/g)?.length, 2);
  assert.doesNotMatch(broker.log, /taken over|already connected/);
});

test('a client id that another client takes over is told, and not taken back at once', async (t) => {
  const broker = await rawMqttBroker(t);
  const clock = fastClock(20);
  const handler = await connected(t, toBroker(broker.port, { clientId: 'mine', mqttVersion: 5 }), { clock });
  const [client] = broker.clients;
  client!.send({ cmd: 'disconnect', reasonCode: 0x8e });
  client!.socket.end();
  const reason = failed((await handler.deliver([outbound('hello')], never))[0]);
  assert.match(reason, /session taken over \(code 142\).*another client/);
  assert.ok(clock.set.includes(60_000));
});

test('mosquitto: a client id that another client takes over is told as what it may be', async (t) => {
  const broker = await mosquitto(t);
  const configuration = toBroker(broker.port, { clientId: 'mine', reconnectPeriod: {} });
  const handler = await connected(t, configuration);
  await mqttClient(t, `127.0.0.1:${broker.port}`, { clientId: 'mine' });
  assert.match(
    failed((await handler.deliver([outbound('hello')], never))[0]),
    /another client took the client id/,
  );
});

test('a lost connection comes back after growing pauses with jitter, and messages wait for it', async (t) => {
  const broker = await rawMqttBroker(t);
  const clock = fastClock(100);
  const handler = await connected(t, toBroker(broker.port, { reconnectPeriod: { seconds: 5n } }), {
    clock,
    random: () => 0.5,
  });
  clock.set.length = 0;
  await broker.stop();
  await waitUntil('it tried 7 times', () => clock.set.length >= 7);
  assert.deepEqual(clock.set.slice(0, 7), [3750, 7500, 15_000, 30_000, 45_000, 45_000, 45_000]);
  await broker.start();
  await waitUntil('it is back', async () => {
    const [outcome] = await handler.deliver([outbound('back')], never);
    return outcome?.delivered === true;
  });
  // The next loss begins with the first pause again, and a message that comes meanwhile waits.
  clock.set.length = 0;
  for (const { socket } of broker.clients) socket.destroy();
  await waitUntil('the loss is felt', () => clock.set.length === 1);
  assert.deepEqual(await handler.deliver([outbound('patient')], never), [DELIVERED]);
  assert.equal(clock.set[0], 3750);
});

test('a message waits ten seconds for a connection, and then fails with what is wrong', async (t) => {
  const broker = await rawMqttBroker(t);
  const clock = fastClock(20);
  const handler = await connected(t, toBroker(broker.port, { reconnectPeriod: { seconds: 3600n } }), {
    clock,
  });
  await broker.stop();
  await waitUntil('the loss is felt', () => clock.set.length === 1);
  const begin = performance.now();
  assert.match(failed((await handler.deliver([outbound('late')], never))[0]), /closed the connection/);
  const waited = performance.now() - begin;
  assert.ok(waited > 400, `it waited ${waited} ms`);
  assert.ok(clock.set.includes(10_000));
});

test('what fails to connect again fails what waits, with the reason', async (t) => {
  const broker = await rawMqttBroker(t);
  const handler = await connected(t, toBroker(broker.port));
  await broker.stop();
  const outcomes = await handler.deliver([outbound('one'), outbound('two')], never);
  for (const outcome of outcomes)
    assert.match(failed(outcome), /not reached.*ECONNREFUSED|closed the connection/);
  await waitUntil('it is told that nobody is there', async () => {
    const [outcome] = await handler.deliver([outbound('three')], never);
    return /ECONNREFUSED/.test(failed(outcome));
  });
});

test('without reconnecting, a lost connection stays lost and says so at once', async (t) => {
  const broker = await rawMqttBroker(t);
  const handler = await connected(t, toBroker(broker.port, { reconnectPeriod: {} }));
  assert.deepEqual(await handler.deliver([outbound('hello')], never), [DELIVERED]);
  for (const { socket } of broker.clients) socket.destroy();
  await waitUntil('it is told', async () => {
    const [outcome] = await handler.deliver([outbound('lost')], never);
    return outcome !== DELIVERED && /reconnect_period of 0.*enabled again/.test(failed(outcome));
  });
  assert.equal(broker.clients.size, 0);
});

test('while one connection of a pool is refused, its messages go over the others', async (t) => {
  const broker = await rawMqttBroker(t);
  const handler = await connected(t, toBroker(broker.port, { poolSize: 3 }));
  const { onConnect } = broker;
  const [unlucky] = broker.clients;
  broker.onConnect = (packet, client) => {
    if (packet.clientId !== unlucky!.connect!.clientId) onConnect(packet, client);
    else client.send({ cmd: 'connack', sessionPresent: false, returnCode: 5 });
  };
  unlucky!.socket.destroy();
  await waitUntil('it is gone', () => broker.clients.size === 2);
  const pack = Array.from({ length: 30 }, (_, i) => message({ clientId: `client ${i}` }));
  let outcomes = await handler.deliver(pack, never);
  if (outcomes.some(({ delivered }) => !delivered)) outcomes = await handler.deliver(pack, never);
  assert.deepEqual(new Set(outcomes), new Set([DELIVERED]));
});

test('no more is on its way than the window and the Receive Maximum allow', async (t) => {
  const broker = await rawMqttBroker(t);
  broker.onPublish = (packet, client) => setTimeout(() => client.acknowledge(packet), 2);
  const most = async (maxInFlight: number | undefined, receiveMaximum: number | undefined, qos: number) => {
    broker.connack = receiveMaximum ? { properties: { receiveMaximum } } : {};
    const value = { mqttVersion: 5 as const, qos, ...(maxInFlight && { maxInFlight }) };
    const handler = bound(toBroker(broker.port, value)).create(contextOf());
    await handler.connect(never);
    const [client] = [...broker.clients].slice(-1);
    const pack = Array.from({ length: 60 }, (_, i) => outbound(`${i}`));
    const before = broker.published.length;
    assert.deepEqual(new Set(await handler.deliver(pack, never)), new Set([DELIVERED]));
    assert.deepEqual(
      broker.payloads.slice(before),
      pack.map((_, i) => `${i}`),
    );
    await handler[Symbol.asyncDispose]();
    return client!.mostUnacknowledged;
  };
  assert.equal(await most(undefined, undefined, 1), 60);
  assert.equal(await most(10, undefined, 1), 10);
  assert.equal(await most(10, 3, 1), 3);
  assert.equal(await most(undefined, 1, 2), 1);
  assert.equal(await most(4, 20, 2), 4);
});

test('no more is handed over than the windows of all connections hold', () => {
  const parallel = (value: MqttInit, maxInFlight: number) =>
    bound(toBroker(1883, value)).create(contextOf({ maxInFlight })).parallel;
  assert.equal(parallel({}, 64), 64);
  assert.equal(parallel({ poolSize: 4 }, 64), 64);
  assert.equal(parallel({ maxInFlight: 10 }, 64), 10);
  assert.equal(parallel({ maxInFlight: 10, poolSize: 4 }, 64), 40);
  assert.equal(parallel({ maxInFlight: 100 }, 1), 1);
});

/** Delivers each message until it is delivered, 64 at a time; answers how many tries failed. */
async function deliverAll(handler: Handler, messages: readonly Outbound[]): Promise<number> {
  let failures = 0;
  const rest = messages.values();
  const lane = async () => {
    for (const message of rest) {
      while ((await handler.deliver([message], never))[0] !== DELIVERED) failures++;
    }
  };
  await Promise.all(Array.from({ length: 64 }, lane));
  return failures;
}

async function subscribed(t: TestContext, port: number): Promise<string[]> {
  const subscriber = await mqttClient(t, `127.0.0.1:${port}`, {
    clientId: 'subscriber',
    clean: false,
    reconnectPeriod: 20,
  });
  const payloads: string[] = [];
  subscriber.on('message', (_, payload) => payloads.push(payload.toString()));
  subscriber.on('error', () => {});
  await subscriber.subscribeAsync('#', { qos: 1 });
  return payloads;
}

test('a mosquitto that restarts in mid-pack costs no message of QoS 1', async (t) => {
  const broker = await mosquitto(t);
  const payloads = await subscribed(t, broker.port);
  const handler = await connected(t, toBroker(broker.port));
  const sent = Array.from({ length: 4000 }, (_, i) => `${i}`);
  const delivering = deliverAll(
    handler,
    sent.map((payload) => outbound(payload)),
  );
  for (const at of [800, 2000]) {
    await waitUntil('it is in the middle', () => payloads.length > at);
    await broker.stop();
    await broker.start();
  }
  const failures = await delivering;
  t.diagnostic(`${failures} failed tries, ${payloads.length - sent.length} twice`);
  assert.ok(failures > 0, 'the restarts were felt');
  await waitUntil('all arrived', () => new Set(payloads).size === sent.length);
});

test('a connection that is lost within the handshake of QoS 2 costs no message', async (t) => {
  const broker = await rawMqttBroker(t);
  const { onPubrel } = broker;
  let releases = 0;
  broker.onPubrel = (packet, client) => {
    if (++releases % 100 === 0) client.socket.destroy();
    else onPubrel(packet, client);
  };
  const handler = await connected(t, toBroker(broker.port, { qos: 2 }));
  const sent = Array.from({ length: 500 }, (_, i) => `${i}`);
  const failures = await deliverAll(
    handler,
    sent.map((payload) => outbound(payload)),
  );
  assert.ok(failures >= 4, 'the cuts were felt');
  assert.equal(new Set(broker.payloads).size, sent.length);
});

test('an attempt that is aborted frees its place: the connection is made anew', async (t) => {
  const broker = await rawMqttBroker(t);
  const { onPublish } = broker;
  broker.onPublish = () => {};
  const handler = await connected(t, toBroker(broker.port, { maxInFlight: 2 }));
  const deadline = new AbortController();
  const hanging = handler.deliver([outbound('1', 0, 'client 1')], deadline.signal);
  const cut = handler.deliver([outbound('2', 0, 'client 2')], never);
  const over = handler.deliver([outbound('3', 0, 'client 3')], deadline.signal);
  const other = handler.deliver([outbound('4', 0, 'client 4')], never);
  await waitUntil('the window is full', () => broker.published.length === 2);
  broker.onPublish = onPublish;
  deadline.abort(new Error('too late'));
  await assert.rejects(hanging, /too late/);
  await assert.rejects(over, /too late/);
  assert.match(failed((await cut)[0]), /did not acknowledge a message in time/);
  assert.deepEqual(await other, [DELIVERED]);
  assert.deepEqual(broker.payloads, ['1', '2', '4'], 'what waited behind left over the new connection');
});

test('a broker that is silent for longer than the keep alive is a lost connection', async (t) => {
  const broker = await rawMqttBroker(t);
  broker.onPublish = () => {};
  broker.onPing = () => {};
  const handler = await connected(t, toBroker(broker.port, { keepAlive: { seconds: 1n } }));
  assert.match(failed((await handler.deliver([outbound('hello')], never))[0]), /silent.*keep_alive/);
});

test('the Server Keep Alive of the broker holds, whatever the own one is', async (t) => {
  const server = async (serverKeepAlive: number | undefined, keepAlive: bigint) => {
    const broker = await rawMqttBroker(t);
    if (serverKeepAlive !== undefined) broker.connack = { properties: { serverKeepAlive } };
    await connected(t, toBroker(broker.port, { mqttVersion: 5, keepAlive: { seconds: keepAlive } }));
    return () => broker.packets.filter(({ cmd }) => cmd === 'pingreq').length;
  };
  const silent = await Promise.all([server(0, 1n), server(60, 1n), server(undefined, 0n)]);
  const heard = await Promise.all([server(1, 0n), server(1, 60n), server(undefined, 1n)]);
  await waitUntil('each of those is heard', () => heard.every((pings) => pings() >= 2));
  assert.deepEqual(
    silent.map((pings) => pings()),
    [0, 0, 0],
  );
});

test('a password of 65,535 bytes reaches the broker', async (t) => {
  const broker = await rawMqttBroker(t);
  const basic = { username: 'a:b', password: 'x'.repeat(65_535) };
  const credentials = { credentials: { case: 'basic' as const, value: basic } };
  await connected(t, toBroker(broker.port, { credentials }));
  const [connect] = broker.packets;
  assert.ok(connect?.cmd === 'connect');
  assert.equal(connect.username, 'a:b');
  assert.equal(connect.password?.toString(), basic.password);
});
