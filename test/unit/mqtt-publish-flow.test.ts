import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { type Packet, parser } from 'mqtt-packet';
import { BusError } from '../../src/bus/bus.ts';
import { FairShares, MAX_IN_FLIGHT } from '../../src/ingress/listener/fair-shares.ts';
import { OutgoingPackets } from '../../src/ingress/listener/outgoing-packets.ts';
import { ReasonCode } from '../../src/ingress/listener/protocol.ts';
import { PublishFlow } from '../../src/ingress/listener/publish-flow.ts';
import { Sessions } from '../../src/ingress/listener/sessions.ts';
import { takenInBy } from '../../src/ingress/listener/taken-in.ts';
import { ByteLimit } from '../../src/runtime/byte-limit.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { acks, FakeNotes, Sink } from '../helpers/mqtt-listener.ts';
import { testDeps } from '../helpers/test-deps.ts';

/** A node with one client, whose session outlives its connections. */
function world() {
  const clock = new ManualClock();
  const shares = new FairShares(clock);
  const [sink, notes] = [new Sink(), new FakeNotes()];
  const wills = { publish() {}, keep() {}, takeBack() {}, back() {} };
  const sessions = new Sessions({ maxOffline: 9, maxBytes: 1e6 }, { clock, notes, wills, onForgotten() {} });
  const { session } = sessions.open('a', false, { origin: 'here', takenOver() {} });
  session.expiry = 60;
  const takenIn = takenInBy(testDeps().metrics);
  const inFlightBytes = new ByteLimit(1_048_576);
  const connected = () => {
    const socket = new PassThrough();
    const packets: Packet[] = [];
    const answers = parser({ protocolVersion: 5 });
    answers.on('packet', (packet) => packets.push(packet));
    socket.on('data', (chunk: Buffer) => answers.parse(chunk));
    const outgoing = new OutgoingPackets(socket as unknown as Socket);
    outgoing.to = { version: 5, maximumPacketSize: Infinity };
    const { takeIn } = sink;
    const failures: unknown[] = [];
    const shared = { clientId: 'a', takeIn, takenIn, outgoing, inFlightBytes, shares, notes, origin: 'here' };
    const deps = { ...shared, onFailure: (error: unknown) => failures.push(error), onSettled() {} };
    const flow = new PublishFlow(session, deps);
    return { flow, packets, failures, publish: publishTo(flow) };
  };
  /** Kafka answers when it is told to. */
  const byHand = <T>(value: T) => {
    const answers: PromiseWithResolvers<T>[] = [];
    const answer = () => {
      answers.push(Promise.withResolvers<T>());
      return answers.at(-1)!.promise;
    };
    const all = async () => {
      for (const { resolve } of answers.splice(0)) resolve(value);
      await settled();
    };
    return { answers, answer, all };
  };
  return { clock, shares, sink, notes, session, inFlightBytes, connected, byHand };
}

const publishTo =
  (flow: PublishFlow) =>
  (qos: 0 | 1 | 2, packetId: number, payload = 'm', topicName = 't', isDup = false) => {
    const message = { topicName, payload: Buffer.from(payload), clientId: 'a', qos, retain: false };
    flow.publish({ ...message, userProperties: [] }, { packetId, isDup }, 20);
  };

async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await turn();
}

for (const [name, beside] of [
  ['topics that nobody wants', 'unmatched'],
  ['messages of QoS 2 that come again', 'duplicate'],
  ['messages that are refused at once', 'refused'],
  ['notes that take another round trip', 'noted'],
] as const) {
  test(`${name} say nothing of the time that Kafka takes`, async () => {
    const { clock, shares, sink, notes, connected, byHand } = world();
    const { flow, publish } = connected();
    const kafka = byHand(1);
    const kafkaNotes = byHand<void>(undefined);
    notes.answer = kafkaNotes.answer;
    sink.answer = ({ topicName }) => {
      if (topicName === 'nobody') return Promise.resolve(0);
      if (topicName === 'refused') return Promise.reject(new Error('full'));
      return kafka.answer();
    };
    publish(2, 1);
    clock.advance(30);
    await kafka.all();
    await kafkaNotes.all();
    for (let round = 0; round < 40; round++) {
      if (beside === 'unmatched') publish(1, 1, 'm', 'nobody');
      if (beside === 'duplicate') publish(2, 1);
      if (beside === 'refused') publish(0, 0, 'm', 'refused');
      await settled();
      for (let i = 0; i < 50; i++) publish(0, 0);
      if (beside === 'noted') publish(2, 100 + round);
      clock.advance(30);
      await kafka.all();
      clock.advance(30);
      await kafkaNotes.all();
    }
    assert.equal(shares.messages, MAX_IN_FLIGHT);
    assert.equal(flow.isIdle, true);
  });
}

test('PUBREL that comes again while its note is taken back: no message after it is taken for the one before', async () => {
  const { sink, notes, session, connected, byHand } = world();
  const { flow, packets, publish } = connected();
  publish(2, 5, 'one');
  await settled();
  const kafka = byHand<void>(undefined);
  notes.answer = kafka.answer;
  flow.release(5);
  flow.release(5);
  const again = connected();
  again.flow.release(5);
  assert.equal(kafka.answers.length, 1);
  notes.answer = async () => {};
  await kafka.all();
  assert.deepEqual(acks(packets), ['pubrec 5', 'pubcomp 5', 'pubcomp 5']);
  assert.deepEqual(acks(again.packets), ['pubcomp 5']);
  again.publish(2, 5, 'two');
  again.publish(2, 5, 'two');
  await settled();
  await kafka.all();
  again.publish(2, 5, 'two');
  await settled();
  assert.deepEqual(sink.payloads, ['one', 'two']);
  assert.deepEqual([[...notes.kept.keys()], session.releasing.size], [['a 5'], 0]);
});

test('a message of QoS 2 that comes again is not stored again for those who have it', async () => {
  const { sink, session, connected } = world();
  const before: string[][] = [];
  let isTooLarge = true;
  sink.answer = async ({ qos }, there) => {
    if (qos === 2) before.push([...there!]);
    there?.add('a');
    if (isTooLarge) throw new BusError('too-large', 'b takes no such record');
    return 2;
  };
  const send = async (payload: string, isDup: boolean) => {
    const connection = connected();
    connection.publish(2, 5, payload, 't', isDup);
    await settled();
    return [acks(connection.packets), connection.failures.length];
  };
  const empty = session.received.bytes;
  assert.deepEqual(await send('one', false), [[], 1]);
  const held = session.received.bytes;
  assert.ok(held > empty);
  assert.deepEqual(await send('one', true), [[], 1]);
  assert.deepEqual(await send('one', true), [[], 1]);
  assert.equal(session.received.bytes, held);
  assert.deepEqual(await send('another', true), [[], 1], 'a client that has forgotten what it sent');
  assert.deepEqual(await send('another', false), [[], 1]);
  isTooLarge = false;
  assert.deepEqual(await send('another', true), [['pubrec 5'], 0]);
  assert.deepEqual(before, [[], ['a'], ['a'], [], [], ['a']]);
  const { flow } = connected();
  flow.release(5);
  await settled();
  assert.equal(session.received.bytes, empty);
});

test('a note of a run before is taken back also where that of the message in its place was never written', async () => {
  const { notes, session, connected } = world();
  session.received.set(5, 'stored');
  session.noted.set(5, 1);
  notes.areLost = true;
  const { flow, packets, publish } = connected();
  publish(2, 5, 'another');
  publish(2, 7);
  await settled();
  assert.deepEqual([acks(packets), [...session.noted.keys()]], [['pubrec 5', 'pubrec 7'], [5]]);
  flow.release(5);
  flow.release(7);
  await settled();
  assert.deepEqual(
    notes.asked.filter((asked) => asked.startsWith('released')),
    ['released a 5'],
  );
});

test('a note that is not taken back is asked for again with the next PUBREL', async () => {
  const { notes, session, connected } = world();
  const { flow, packets, failures, publish } = connected();
  publish(2, 5);
  await settled();
  notes.answer = () => Promise.reject(new Error('Kafka is away'));
  flow.release(5);
  flow.release(5);
  await settled();
  assert.deepEqual([acks(packets), failures.length, session.releasing.size], [['pubrec 5'], 2, 0]);
  notes.answer = async () => {};
  flow.release(5);
  await settled();
  assert.deepEqual([acks(packets), flow.isIdle], [['pubrec 5', 'pubcomp 5'], true]);
});

test('PUBRELs that wait for their PUBCOMP are in flight: they have its bounds, and are waited for', async () => {
  const { notes, inFlightBytes, connected, byHand } = world();
  const { flow, publish } = connected();
  publish(2, 5);
  await settled();
  assert.deepEqual([flow.isAcknowledged, flow.isIdle, inFlightBytes.isFull], [true, true, false]);
  const kafka = byHand<void>(undefined);
  notes.answer = kafka.answer;
  let sent = 0;
  while (!flow.isFull && sent < 5000) {
    flow.release(5);
    sent++;
  }
  assert.equal(sent, MAX_IN_FLIGHT);
  assert.deepEqual([flow.isAcknowledged, flow.isIdle, inFlightBytes.isFull], [false, false, true]);
  await kafka.all();
  assert.deepEqual([flow.isAcknowledged, flow.isIdle, inFlightBytes.isFull], [true, true, false]);
});

test('what is released does not count for the Receive Maximum, also while its note is taken back', async () => {
  const { notes, connected, byHand } = world();
  const first = connected();
  for (let id = 1; id <= MAX_IN_FLIGHT; id++) first.publish(2, id);
  await settled();
  first.flow.end();
  notes.answer = byHand<void>(undefined).answer;
  const { flow, publish } = connected();
  for (let id = 1; id <= MAX_IN_FLIGHT; id++) flow.release(id);
  for (let id = 1; id <= MAX_IN_FLIGHT; id++) publish(2, 10_000 + id);
  assert.throws(() => publish(2, 20_000), { reasonCode: ReasonCode.RECEIVE_MAXIMUM_EXCEEDED });
});

for (const noted of [700, MAX_IN_FLIGHT]) {
  test(`a message counts once for the Receive Maximum when it takes the place of one of ${noted} from a run before`, async () => {
    const { sink, session, connected, byHand } = world();
    for (let id = 1; id <= noted; id++) {
      session.noted.set(id, 1);
      session.received.set(id, 'stored');
    }
    const kafka = byHand(1);
    sink.answer = kafka.answer;
    const { publish } = connected();
    const isRefused = () =>
      assert.throws(() => publish(2, 20_000), { reasonCode: ReasonCode.RECEIVE_MAXIMUM_EXCEEDED });
    for (let id = 1; id <= MAX_IN_FLIGHT; id++) publish(2, id);
    isRefused();
    await kafka.all();
    isRefused();
    assert.deepEqual([sink.messages.length, session.received.size], [MAX_IN_FLIGHT, MAX_IN_FLIGHT]);
  });
}
