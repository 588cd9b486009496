import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { IConnackPacket } from 'mqtt-packet';
import { ManualClock } from '../../helpers/manual-clock.ts';
import {
  connect,
  hex,
  packet,
  publish,
  string,
  subscribe,
  uint16,
  VERSIONS,
  type Version,
} from '../../helpers/mqtt-bytes.ts';
import { listenerForTests } from '../../helpers/mqtt-listener.ts';
import { wordsOf } from '../../helpers/mqtt-statements.ts';
import { RawMqttClient } from '../../helpers/raw-mqtt-client.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

/** A client that is connected by this CONNECT. */
async function connected(
  t: TestContext,
  address: string,
  version: Version,
  init: Parameters<typeof connect>[1] = {},
) {
  const client = new RawMqttClient(t, address, version);
  client.socket.write(connect(version, init));
  const [connack] = await client.received(1);
  return { client, connack: connack as IConnackPacket };
}

/** Sends, waits for so many answers, and tells all that came. */
async function exchange(
  client: RawMqttClient,
  version: Version,
  bytes: readonly Buffer[],
  count: number,
): Promise<string[]> {
  const before = client.packets.length;
  client.socket.write(Buffer.concat([...bytes]));
  const packets = await client.received(before + count);
  return packets.slice(before).map((answer) => wordsOf(answer, version));
}

async function leave(client: RawMqttClient, goodbye = hex('e000')): Promise<void> {
  client.socket.write(goodbye);
  await client.closed();
}

const KEPT = hex('11 0000003c'); // a Session Expiry Interval of 60

test('[MQTT-3.1.2-4, 5, 6, 3.2.2-1, 2, 3; MQTT-3.1.2-4, 5, 6, 3.2.2-2, 3] CONNACK tells whether there is a session, but in 3.1', async (t) => {
  for (const version of VERSIONS) {
    const { address } = await listenerForTests(t);
    const present: (boolean | undefined)[] = [];
    for (const flags of [0, 0, 2, 0, 0]) {
      const { client, connack } = await connected(t, address, version, { flags, props: KEPT });
      present.push(connack.sessionPresent);
      await leave(client);
    }
    // A clean session of 3.1.1 ends with its connection; one of 5.0 that began clean is kept.
    const expected = { 3: [], 4: [1, 4], 5: [1, 3, 4] }[version];
    assert.deepEqual(
      present,
      [0, 1, 2, 3, 4].map((index) => (expected as number[]).includes(index)),
      `level ${version}`,
    );
  }
});

test('[MQTT-3.1.2-23, 4.1.0-2] a session lasts for its expiry, which DISCONNECT may change', async (t) => {
  const clock = new ManualClock();
  const { address } = await listenerForTests(t, {}, clock);
  const visit = async (props: Buffer, goodbye?: Buffer) => {
    const { client, connack } = await connected(t, address, 5, { flags: 0, props });
    await leave(client, goodbye);
    return connack.sessionPresent;
  };
  assert.equal(await visit(KEPT), false);
  clock.advance(59_999);
  assert.equal(await visit(KEPT), true);
  clock.advance(60_000);
  assert.equal(await visit(KEPT, hex('e0 07 00 05 11 00000000')), false);
  assert.equal(await visit(KEPT, hex('e0 07 00 05 11 00000064')), false);
  clock.advance(99_999);
  assert.equal(await visit(hex('')), true);
  assert.equal(await visit(hex('')), false, 'without an expiry the session ends with its connection');
});

test('[MQTT-3.1.3-6, 7; MQTT-3.1.3-6, 7, 3.2.2-16] a client without an id is given one, its own, and told in 5.0', async (t) => {
  const { sink, address } = await listenerForTests(t);
  const ids = new Set<string>();
  for (const version of [4, 4, 5, 5] as const) {
    const { client, connack } = await connected(t, address, version, { clientId: '' });
    await exchange(client, version, [publish(version)], 1);
    const { clientId } = sink.messages.at(-1)!;
    ids.add(clientId);
    if (version === 5) assert.equal(connack.properties?.assignedClientIdentifier, clientId);
  }
  assert.equal(ids.size, 4);
});

test('[MQTT-4.3.3-2; MQTT-4.3.3-8, 10, 11, 12] QoS 2: one message until its PUBREL, and a new one after it', async (t) => {
  for (const version of VERSIONS) {
    const { sink, address } = await listenerForTests(t);
    const { client } = await connected(t, address, version);
    const first = publish(version, { id: 9, flags: 4, payload: 'first' });
    const again = publish(version, { id: 9, flags: 12, payload: 'first' });
    assert.deepEqual(await exchange(client, version, [first, again, again], 3), [
      'pubrec 9',
      'pubrec 9',
      'pubrec 9',
    ]);
    assert.deepEqual(await exchange(client, version, [packet(0x62, uint16(9))], 1), ['pubcomp 9']);
    const next = publish(version, { id: 9, flags: 4, payload: 'next' });
    assert.deepEqual(await exchange(client, version, [next], 1), ['pubrec 9']);
    assert.deepEqual(sink.payloads, ['first', 'next']);
  }
});

test('[MQTT-4.4.0-1] QoS 2: PUBLISH and PUBREL that come again over a new connection of the session', async (t) => {
  for (const version of VERSIONS) {
    const { sink, address } = await listenerForTests(t);
    const kept = { flags: 0, props: KEPT };
    const { client: first } = await connected(t, address, version, kept);
    await exchange(first, version, [publish(version, { id: 5, flags: 4 })], 1);
    first.socket.destroy();
    const { client: second } = await connected(t, address, version, kept);
    const pubrel = packet(0x62, uint16(5));
    assert.deepEqual(await exchange(second, version, [publish(version, { id: 5, flags: 12 })], 1), [
      'pubrec 5',
    ]);
    assert.deepEqual(await exchange(second, version, [pubrel], 1), ['pubcomp 5']);
    second.socket.destroy();
    const { client: third } = await connected(t, address, version, kept);
    const unknown = version === 5 ? 'pubcomp 5 0x92' : 'pubcomp 5';
    assert.deepEqual(await exchange(third, version, [pubrel], 1), [unknown]);
    assert.equal(sink.messages.length, 1);
  }
});

test('[MQTT-3.3.4-7] more messages of QoS 2 without PUBREL than the Receive Maximum', async (t) => {
  const { address } = await listenerForTests(t);
  const { client, connack } = await connected(t, address, 5);
  const maximum = connack.properties?.receiveMaximum ?? 65_535;
  const messages = Array.from({ length: maximum }, (_, index) => publish(5, { id: index + 1, flags: 4 }));
  await exchange(client, 5, messages, maximum);
  client.socket.write(publish(5, { id: maximum + 1, flags: 4 }));
  await client.closed();
  assert.equal(wordsOf(client.packets.at(-1)!, 5), 'disconnect 0x93');
});

test('[MQTT-3.3.2-7] a topic alias is that of one connection, also of one session', async (t) => {
  const { address } = await listenerForTests(t);
  const kept = { flags: 0, props: KEPT };
  const { client: first } = await connected(t, address, 5, kept);
  await exchange(first, 5, [publish(5, { props: hex('23 0001') })], 1);
  await leave(first);
  const { client: second } = await connected(t, address, 5, kept);
  second.socket.write(publish(5, { topic: '', props: hex('23 0001') }));
  await second.closed();
  assert.equal(wordsOf(second.packets.at(-1)!, 5), 'disconnect 0x82');
});

test('[MQTT-3.1.2-24] no answer is larger than the client takes', async (t) => {
  const { address } = await listenerForTests(t);
  const filters = (count: number) =>
    Array.from({ length: count }, () => Buffer.concat([string('a'), hex('00')]));
  const unfiltered = (count: number) => Array.from({ length: count }, () => string('a'));
  // A SUBACK has 5 bytes and one more for each filter, as has an UNSUBACK.
  for (const [bytes, packets] of [
    [30, [subscribe(5, filters(25)), subscribe(5, filters(26))]],
    [30, [subscribe(5, unfiltered(25), { first: 0xa2 }), subscribe(5, unfiltered(26), { first: 0xa2 })]],
  ] as const) {
    const { client } = await connected(t, address, 5, {
      props: Buffer.concat([hex('27 0000'), uint16(bytes)]),
    });
    const [fits, tooLarge] = packets;
    await exchange(client, 5, [fits], 1);
    client.socket.write(tooLarge);
    await client.closed();
    assert.equal(wordsOf(client.packets.at(-1)!, 5), 'disconnect 0x95');
  }
});

test('[MQTT-3.1.2-28, 29] no answer has a reason string, a user property or response information', async (t) => {
  for (const props of ['17 00 19 00', '17 00 19 01', '17 01 19 01']) {
    const { sink, address } = await listenerForTests(t);
    sink.answer = async () => 0;
    const { client } = await connected(t, address, 5, { props: hex(props) });
    const packets = [publish(5, { id: 1 }), publish(5, { id: 2, flags: 4 }), packet(0x62, uint16(9))];
    const both = [
      subscribe(5, [Buffer.concat([string('a'), hex('00')])]),
      subscribe(5, [string('a')], { first: 0xa2 }),
    ];
    await exchange(client, 5, [...packets, ...both], 5);
    client.socket.write(hex('c1 00'));
    await client.closed();
    assert.equal(client.packets.length, 7);
    for (const answer of client.packets) {
      const { reasonString, userProperties, responseInformation } =
        (answer as IConnackPacket).properties ?? {};
      assert.deepEqual(
        [reasonString, userProperties, responseInformation],
        [undefined, undefined, undefined],
        answer.cmd,
      );
    }
  }
});

test('[MQTT-1.5.3-3, 4.7.3-4; MQTT-1.5.4-3, 4.7.3-4, 3.3.2-16..18, 20] names, payload and properties are passed on as they came', async (t) => {
  const { sink, address } = await listenerForTests(t);
  for (const version of VERSIONS) {
    sink.messages.length = 0;
    const { client } = await connected(t, address, version);
    const names = ['\ufeffT/x', 't /e\u0301', 't//x', '/t'];
    const props = hex('26 0000 0000 03 0003 612f62 26 0001 7a 0001 31 26 0001 7a 0001 31');
    await exchange(
      client,
      version,
      names.map((topic, index) => publish(version, { topic, id: index + 1, props, payload: `p${index}` })),
      4,
    );
    assert.deepEqual(
      sink.messages.map(({ topicName }) => topicName),
      names,
    );
    assert.deepEqual(sink.payloads, ['p0', 'p1', 'p2', 'p3']);
    const { contentType, userProperties } = sink.messages[0]!;
    const pairs = userProperties.map(({ key, value }) => key + value);
    assert.deepEqual([contentType, pairs], version === 5 ? ['a/b', ['', 'z1', 'z1']] : [undefined, []]);
  }
});

test('[MQTT-4.2-1, MQTT-3.12.4-1] packets come in any segments, and each PINGREQ is answered', async (t) => {
  const { address } = await listenerForTests(t);
  for (const version of VERSIONS) {
    const { client } = await connected(t, address, version);
    const bytes = Buffer.concat([
      publish(version, { id: 3, flags: 4 }),
      packet(0x62, uint16(8)),
      hex('c000'),
    ]);
    for (const byte of bytes) {
      client.socket.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await client.received(4);
    await exchange(client, version, Array(500).fill(hex('c000')), 500);
    assert.ok(client.packets.slice(4).every(({ cmd }) => cmd === 'pingresp'));
    await waitUntil('it is open', () => !client.isClosed);
  }
});
