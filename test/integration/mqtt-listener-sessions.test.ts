import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BusError } from '../../src/bus/bus.ts';
import { digestOf } from '../../src/ingress/listener/received-notes.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { acks, FakeNotes, listenerForTests, publish, pubrel } from '../helpers/mqtt-listener.ts';
import { RawMqttClient } from '../helpers/raw-mqtt-client.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const KEPT = { clean: false, properties: { sessionExpiryInterval: 60 } };
const isPresent = ({ packets }: RawMqttClient) => (packets[0] as { sessionPresent?: boolean }).sessionPresent;
/** A round trip of another client: what was sent before it has arrived. */
const roundTrip = async (t: Parameters<typeof listenerForTests>[0], address: string) => {
  const other = await RawMqttClient.connected(t, address, 4, { clientId: 'other' });
  other.send({ cmd: 'pingreq' });
  await other.received(2);
};

test('a message of QoS 2 is acknowledged when it is noted, and its packet identifier is free when that is taken back', async (t) => {
  const { sink, notes, address } = await listenerForTests(t);
  const answers: PromiseWithResolvers<void>[] = [];
  notes.answer = () => {
    const answer = Promise.withResolvers<void>();
    answers.push(answer);
    return answer.promise;
  };
  const client = await RawMqttClient.connected(t, address, 5, KEPT);
  client.send(publish(7, 2));
  await waitUntil('it is noted', () => answers.length === 1);
  await roundTrip(t, address);
  assert.deepEqual(acks(client.packets), []);
  const digest = digestOf(sink.messages[0]!);
  assert.deepEqual(notes.kept.get('raw 7'), { digest, expiry: 60, origin: '127.0.0.1' });
  answers[0]!.resolve();
  await client.received(2);
  client.send(pubrel(7));
  await waitUntil('it is taken back', () => answers.length === 2);
  await roundTrip(t, address);
  assert.deepEqual(acks(client.packets), ['pubrec 7']);
  answers[1]!.resolve();
  await client.received(3);
  assert.deepEqual(acks(client.packets), ['pubrec 7', 'pubcomp 7']);
  assert.deepEqual(notes.asked, ['stored raw 7', 'released raw 7']);
});

test('nothing is noted of sessions that end with their connection, of QoS 1, and of what nobody wants', async (t) => {
  const { sink, notes, address } = await listenerForTests(t);
  const fleeting = await RawMqttClient.connected(t, address, 4, { clean: true });
  fleeting.send(publish(1, 2), publish(2, 1));
  await fleeting.received(3);
  const kept = await RawMqttClient.connected(t, address, 4, { clean: false, clientId: 'kept' });
  kept.send(publish(1, 1));
  await kept.received(2);
  sink.answer = async () => 0;
  kept.send(publish(2, 2));
  await kept.received(3);
  kept.send(pubrel(2));
  await kept.received(4);
  assert.deepEqual(notes.asked, []);
});

test('after a restart a message that comes again is known, another one is not, and the rest is as before', async (t) => {
  const notes = new FakeNotes();
  const stored = { topicName: 'a/b', payload: Buffer.from('m1') };
  const received = new Map([1, 2].map((packetId) => [packetId, digestOf(stored)]));
  notes.found.set('raw', { expiry: 60, origin: 'here', received });
  const { sink, address } = await listenerForTests(t, {}, systemClock, notes);
  const client = await RawMqttClient.connected(t, address, 5, KEPT);
  assert.equal(isPresent(client), true);
  client.send(publish(1, 2, { dup: true }), publish(2, 2), publish(3, 2));
  await client.received(4);
  assert.deepEqual(acks(client.packets), ['pubrec 1', 'pubrec 2', 'pubrec 3']);
  assert.deepEqual(sink.payloads, ['m2', 'm3'], 'under 2 it is another message than the one before');
  client.send(pubrel(1), pubrel(2));
  await client.received(6);
  client.send(publish(1, 2));
  await client.received(7);
  assert.deepEqual(sink.payloads, ['m2', 'm3', 'm1']);
  assert.deepEqual([...notes.kept.keys()], ['raw 3', 'raw 1']);
});

test('after a restart a message that is not sent again is another one, also where it says the same', async (t) => {
  const notes = new FakeNotes();
  const digest = digestOf({ topicName: 'a/b', payload: Buffer.from('on') });
  notes.found.set('raw', { expiry: 60, origin: 'here', received: new Map([[1, digest]]) });
  const { sink, address } = await listenerForTests(t, {}, systemClock, notes);
  const client = await RawMqttClient.connected(t, address, 4, KEPT);
  client.send(publish(1, 2, { payload: 'on' }), publish(1, 2, { payload: 'on', dup: true }));
  await client.received(3);
  assert.deepEqual(acks(client.packets), ['pubrec 1', 'pubrec 1']);
  assert.deepEqual(sink.payloads, ['on']);
});

test('what is noted of a session goes with it, and stays when the node stops', async (t) => {
  const { notes, address, listener } = await listenerForTests(t);
  const first = await RawMqttClient.connected(t, address, 5, KEPT);
  first.send(publish(1, 2), publish(2, 2));
  await first.received(3);
  const clean = await RawMqttClient.connected(t, address, 5, { ...KEPT, clean: true });
  assert.equal(isPresent(clean), false);
  assert.deepEqual([...notes.kept], []);
  clean.send(publish(3, 2));
  await clean.received(2);
  const other = await RawMqttClient.connected(t, address, 5, { ...KEPT, clientId: 'other' });
  other.send(publish(4, 2));
  await other.received(2);
  other.send({ cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: 0 } });
  await other.closed();
  assert.deepEqual([...notes.kept.keys()], ['raw 3']);
  await listener[Symbol.asyncDispose]();
  assert.deepEqual([...notes.kept.keys()], ['raw 3']);
});

test('a packet identifier is not free while Kafka does not take that back: PUBREL comes again', async (t) => {
  const { notes, address, sink } = await listenerForTests(t);
  const first = await RawMqttClient.connected(t, address, 5, KEPT);
  first.send(publish(1, 2));
  await first.received(2);
  notes.answer = async () => {
    throw new BusError('timeout', 'late');
  };
  first.send(pubrel(1));
  await first.closed();
  assert.deepEqual(acks(first.packets), ['pubrec 1']);
  notes.answer = async () => {};
  const second = await RawMqttClient.connected(t, address, 5, KEPT);
  second.send(publish(1, 2, { dup: true }), pubrel(1));
  await second.received(3);
  assert.deepEqual(acks(second.packets), ['pubrec 1', 'pubcomp 1']);
  assert.equal(sink.messages.length, 1);
});

test('a message whose note was never written is released without it', async (t) => {
  const { notes, address } = await listenerForTests(t);
  notes.stored = async () => false;
  const client = await RawMqttClient.connected(t, address, 5, KEPT);
  client.send(publish(1, 2));
  await client.received(2);
  client.send(pubrel(1));
  await client.received(3);
  assert.deepEqual(acks(client.packets), ['pubrec 1', 'pubcomp 1']);
  assert.deepEqual(notes.asked, []);
});

test('a note of a run before is taken back also when the one in its place was never written', async (t) => {
  const notes = new FakeNotes();
  notes.found.set('raw', { expiry: 60, origin: 'here', received: new Map([[1, 5]]) });
  notes.stored = async () => false;
  const { address } = await listenerForTests(t, {}, systemClock, notes);
  const client = await RawMqttClient.connected(t, address, 5, KEPT);
  client.send(publish(1, 2));
  await client.received(2);
  client.send(pubrel(1));
  await client.received(3);
  assert.deepEqual(notes.asked, ['released raw 1']);
});

test('what is on its way when a client says DISCONNECT is noted with the expiry that it asks for then', async (t) => {
  const { sink, notes, address } = await listenerForTests(t);
  const stored = Promise.withResolvers<number>();
  sink.answer = () => stored.promise;
  const client = await RawMqttClient.connected(t, address, 5, {
    ...KEPT,
    properties: { sessionExpiryInterval: 1 },
  });
  client.send(publish(1, 2), {
    cmd: 'disconnect',
    reasonCode: 0,
    properties: { sessionExpiryInterval: 4_294_967_295 },
  });
  await waitUntil('it is on its way', () => sink.messages.length === 1);
  await roundTrip(t, address);
  stored.resolve(1);
  await client.closed();
  assert.equal(notes.kept.get('raw 1')?.expiry, 3600);
});
