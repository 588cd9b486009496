import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BusError } from '../../src/bus/bus.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { acks, listenerForTests, publish, pubrel, reasonOf } from '../helpers/mqtt-listener.ts';
import { RawMqttClient } from '../helpers/raw-mqtt-client.ts';
import { waitUntil } from '../helpers/wait-until.ts';

test('acknowledgements leave in the order of arrival, whatever order Kafka answers in', async (t) => {
  const { sink, address } = await listenerForTests(t);
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
  const { sink, address, metrics } = await listenerForTests(t);
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
  const { sink, address } = await listenerForTests(t);
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
  const { sink, address } = await listenerForTests(t);
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
  const { sink, address } = await listenerForTests(t);
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
  const { sink, address } = await listenerForTests(t);
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
  const { sink, address } = await listenerForTests(t);
  sink.answer = () => new Promise(() => {});
  const client = await RawMqttClient.connected(t, address, 4);
  client.send(publish(1, 2), pubrel(1));
  await client.closed();
  assert.deepEqual(acks(client.packets), []);
});

test('QoS 2: messages without PUBREL have a limit, the announced Receive Maximum', async (t) => {
  const { sink, address } = await listenerForTests(t);
  const client = await RawMqttClient.connected(t, address, 5);
  const { properties } = client.packets[0] as { properties?: { receiveMaximum?: number } };
  assert.equal(properties?.receiveMaximum, 1024);
  client.send(...Array.from({ length: 1024 }, (_, index) => publish(index + 1, 2)));
  await client.received(1025);
  client.send(publish(1, 2, { dup: true }));
  await client.received(1026);
  client.send(pubrel(1), publish(1025, 2));
  await client.received(1028);
  assert.deepEqual(acks(client.packets.slice(-3)), ['pubrec 1', 'pubcomp 1', 'pubrec 1025']);
  client.send(publish(1026, 2));
  await client.closed();
  assert.equal(reasonOf(client.packets.at(-1)), 0x93);
  assert.equal(sink.messages.length, 1025);
  const old = await RawMqttClient.connected(t, address, 4, { clientId: 'told no maximum' });
  old.send(...Array.from({ length: 1100 }, (_, index) => publish(index + 1, 2)));
  await old.received(1101);
});

test('the socket is not read beyond the in-flight limit, and read on afterwards', async (t) => {
  const { sink, address } = await listenerForTests(t);
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
  const { sink, address } = await listenerForTests(t, { maxPacketBytes: 1_100_000 });
  const stored: ((matches: number) => void)[] = [];
  sink.answer = () => new Promise((resolve) => stored.push(resolve));
  const client = await RawMqttClient.connected(t, address, 5);
  // Properties count like the payload.
  const large = {
    payload: Buffer.alloc(990_000),
    properties: { userProperties: { a: Array<string>(2).fill('x'.repeat(32_000)) } },
  };
  for (let id = 1; id <= 6; id++) client.send(publish(id, 1, large));
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
  const { sink, address } = await listenerForTests(t, { maxPacketBytes: 1_100_000 });
  const stored: ((matches: number) => void)[] = [];
  sink.answer = () => new Promise((resolve) => stored.push(resolve));
  const payload = Buffer.alloc(1_048_576);
  for (let index = 1; index <= 32; index++) {
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

test('behind a client that sends much at once the others have their turn in between', async (t) => {
  const { sink, address } = await listenerForTests(t);
  const other = await RawMqttClient.connected(t, address, 4, { clientId: 'other' });
  const client = await RawMqttClient.connected(t, address, 4);
  sink.answer = async () => {
    if (sink.messages.length === 1) other.send(publish(5000, 1));
    return 1;
  };
  client.send(...Array.from({ length: 1000 }, (_, index) => publish(index + 1, 1)));
  await client.received(1001);
  await other.received(2);
  assert.equal(sink.payloads.length, 1001);
  assert.ok(sink.payloads.indexOf('m5000') < 500);
  assert.deepEqual(
    sink.payloads.filter((payload) => payload !== 'm5000'),
    Array.from({ length: 1000 }, (_, index) => `m${index + 1}`),
  );
});

test('while too much waits for Kafka nothing is read, no connection ends for it, and then all are read on', async (t) => {
  const clock = new ManualClock();
  const { sink, waiting, address } = await listenerForTests(t, {}, clock);
  const first = await RawMqttClient.connected(t, address, 5, { clientId: 'first', keepalive: 10 });
  waiting.add(1000);
  const second = await RawMqttClient.connected(t, address, 5, { clientId: 'second', keepalive: 10 });
  for (const client of [first, second]) client.send(publish(1, 1), publish(2, 1));
  // They have arrived long ago: another client's round trip has passed.
  await RawMqttClient.connected(t, address, 4, { clientId: 'other' });
  clock.advance(60_000);
  assert.deepEqual([sink.messages.length, first.isClosed, second.isClosed], [0, false, false]);
  waiting.remove(1);
  await first.received(3);
  await second.received(3);
});

test('what a connection sends is one lane, whose messages are all refused once one is not stored', async (t) => {
  const { sink, address } = await listenerForTests(t);
  const answers: PromiseWithResolvers<number>[] = [];
  sink.answer = () => {
    const answer = Promise.withResolvers<number>();
    answers.push(answer);
    return answer.promise;
  };
  const client = await RawMqttClient.connected(t, address, 5);
  client.send(publish(1, 1), publish(2, 2), publish(0, 0));
  await waitUntil('on their way', () => answers.length === 3);
  const [lane, ...others] = sink.lanes;
  assert.ok(lane && others.every((other) => other === lane));
  const error = new BusError('timeout', 'late');
  answers[1]?.reject(error);
  await client.closed();
  assert.equal(lane.refusal, error, 'also where it was not the bus that refused it');
  const again = await RawMqttClient.connected(t, address, 5);
  again.send(publish(1, 1));
  await waitUntil('on its way again', () => answers.length === 4);
  assert.ok(sink.lanes[3] && sink.lanes[3] !== lane);
  for (const answer of answers) answer.resolve(1);
});

test('a message that an earlier connection sent, and Kafka refuses, takes those of the newer one along', async (t) => {
  const { sink, address } = await listenerForTests(t);
  const answers: PromiseWithResolvers<number>[] = [];
  sink.answer = () => {
    const answer = Promise.withResolvers<number>();
    answers.push(answer);
    return answer.promise;
  };
  const kept = { clean: false, properties: { sessionExpiryInterval: 60 } };
  const first = await RawMqttClient.connected(t, address, 5, kept);
  first.send(publish(1, 2));
  await waitUntil('on its way', () => answers.length === 1);
  const second = await RawMqttClient.connected(t, address, 5, kept);
  second.send(publish(1, 2, { dup: true }), publish(2, 2));
  await waitUntil('the next one is on its way', () => answers.length === 2);
  assert.equal(sink.lanes[1], sink.lanes[0], 'else the second could be written before the first comes again');
  answers[0]?.reject(new BusError('timeout', 'late'));
  await second.closed();
  answers[1]?.resolve(1);
});

test('a session goes on when what it sent before, and was refused with another message, has arrived or has not', async (t) => {
  const { sink, address } = await listenerForTests(t);
  const answers: PromiseWithResolvers<number>[] = [];
  sink.answer = () => {
    const answer = Promise.withResolvers<number>();
    answers.push(answer);
    return answer.promise;
  };
  const kept = { clean: false, properties: { sessionExpiryInterval: 60 } };
  const first = await RawMqttClient.connected(t, address, 5, kept);
  first.send(publish(1, 2), publish(2, 2), publish(3, 1));
  await waitUntil('on their way', () => answers.length === 3);
  answers[2]?.reject(new BusError('timeout', 'late'));
  await first.closed();
  const second = await RawMqttClient.connected(t, address, 5, kept);
  second.send(publish(1, 2, { dup: true }), publish(2, 2, { dup: true }), publish(3, 1, { dup: true }));
  // They have arrived long ago: another client's round trip has passed.
  await RawMqttClient.connected(t, address, 5, { clientId: 'other' });
  assert.equal(answers.length, 3);
  answers[0]?.resolve(1);
  answers[1]?.reject(new BusError('timeout', 'late'));
  await waitUntil('those that Kafka does not have are sent again', () => answers.length === 5);
  for (const answer of answers) answer.resolve(1);
  await second.received(4);
  assert.deepEqual(acks(second.packets), ['pubrec 1', 'pubrec 2', 'puback 3']);
  assert.deepEqual(sink.payloads, ['m1', 'm2', 'm3', 'm2', 'm3']);
});

test('a message of QoS 0 that Kafka refuses is dropped, and those after it begin a new lane', async (t) => {
  const { sink, address } = await listenerForTests(t);
  sink.answer = async () => {
    const lane = sink.lanes.at(-1);
    if (lane) lane.refusal = new BusError('timeout', 'late');
    throw lane?.refusal;
  };
  const client = await RawMqttClient.connected(t, address, 5);
  client.send(publish(0, 0));
  client.send({ cmd: 'pingreq' });
  await client.received(2);
  sink.answer = async () => 1;
  client.send(publish(1, 1));
  await client.received(3);
  assert.deepEqual([sink.lanes.length, sink.lanes[1]?.refusal], [2, undefined]);
});
