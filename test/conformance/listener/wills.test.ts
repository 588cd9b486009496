import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ManualClock } from '../../helpers/manual-clock.ts';
import {
  connect,
  hex,
  packet,
  properties,
  publish,
  string,
  VERSIONS,
  type Version,
} from '../../helpers/mqtt-bytes.ts';
import { listenerForTests } from '../../helpers/mqtt-listener.ts';
import { RawMqttClient } from '../../helpers/raw-mqtt-client.ts';
import { resetSocket } from '../../helpers/reset-socket.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

interface Will {
  /** QoS 8 or 16, RETAIN 32. */
  readonly flags?: number;
  readonly props?: Buffer;
  readonly keepAlive?: number;
  /** Of the CONNECT. */
  readonly connectProps?: Buffer;
  readonly isClean?: boolean;
}

/** A client with a will. */
async function withWill(
  t: TestContext,
  address: string,
  version: Version,
  init: Will = {},
): Promise<RawMqttClient> {
  const { flags = 8, props = hex(''), keepAlive = 0, connectProps = hex(''), isClean = true } = init;
  const client = new RawMqttClient(t, address, version);
  const rest = Buffer.concat([properties(version, props), string('gone'), string('bye')]);
  const connectFlags = 4 | flags | (isClean ? 2 : 0);
  client.socket.write(connect(version, { flags: connectFlags, keepAlive, props: connectProps, rest }));
  await client.received(1);
  return client;
}

const send = (bytes: (version: Version) => Buffer) => (client: RawMqttClient, version: Version) => {
  client.socket.write(bytes(version));
};

/** How the connection ends, and whether the will is due then. */
const ENDS: readonly {
  what: string;
  isDue: boolean;
  versions?: readonly Version[];
  end: ReturnType<typeof send>;
}[] = [
  { what: 'FIN', isDue: true, end: ({ socket }) => socket.end() },
  { what: 'RST', isDue: true, end: ({ socket }) => resetSocket(socket) },
  { what: 'a malformed packet', isDue: true, end: send(() => hex('c1 00')) },
  {
    what: 'a wildcard in a topic name',
    isDue: true,
    end: send((version) => publish(version, { topic: '#' })),
  },
  { what: 'a packet that is too large', isDue: true, end: send(() => hex('30 ff ff ff 7f')) },
  { what: 'a second CONNECT', isDue: true, end: send((version) => connect(version)) },
  { what: 'DISCONNECT', isDue: false, end: send(() => hex('e0 00')) },
  { what: 'DISCONNECT with flags', isDue: true, end: send(() => hex('e1 00')) },
  { what: 'DISCONNECT with a body', isDue: true, versions: [3, 4], end: send(() => hex('e0 01 00')) },
  ...[0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x8e, 0xff].map(
    (code) => ({
      what: `DISCONNECT 0x${code.toString(16)}`,
      isDue: code !== 0,
      versions: [5] as const,
      end: send(() => packet(0xe0, Buffer.from([code, 0]))),
    }),
  ),
  {
    what: 'DISCONNECT 0x00 of a server',
    isDue: true,
    versions: [5],
    end: send(() => hex('e0 06 00 04 1c 0001 78')),
  },
  {
    what: 'DISCONNECT 0x00 that goes on after its end',
    isDue: true,
    versions: [5],
    end: send(() => hex('e0 03 00 00 ff')),
  },
];

test('[MQTT-3.1.2-8, 10; MQTT-3.1.2-7, 8, 10, 3.14.4-3] the will is published once, unless DISCONNECT says that all is well', async (t) => {
  const { sink, address } = await listenerForTests(t);
  for (const { what, isDue, versions = VERSIONS, end } of ENDS) {
    for (const version of versions) {
      sink.messages.length = 0;
      const client = await withWill(t, address, version);
      end(client, version);
      await client.closed();
      if (isDue) await waitUntil(`the will after ${what}`, () => sink.messages.length > 0);
      // The next connection of the client publishes none.
      const next = new RawMqttClient(t, address, version);
      next.socket.write(Buffer.concat([connect(version), hex('e000')]));
      await next.closed();
      assert.deepEqual(sink.payloads, isDue ? ['bye'] : [], `${what}, level ${version}`);
    }
  }
});

test('[MQTT-3.1.2-24, 3.1.2-8; MQTT-3.1.2-22] a client that is silent for 1.5 times its keep-alive is gone', async (t) => {
  const clock = new ManualClock();
  const { sink, address } = await listenerForTests(t, {}, clock);
  for (const version of VERSIONS) {
    sink.messages.length = 0;
    const client = await withWill(t, address, version, { keepAlive: 10 });
    clock.advance(14_999);
    assert.equal(client.isClosed, false);
    clock.advance(1);
    await client.closed();
    assert.deepEqual(sink.payloads, ['bye']);
  }
});

test('[MQTT-3.1.4-2; MQTT-3.1.4-3] a newer connection takes over: the older one is told, and its will is due', async (t) => {
  const { sink, address } = await listenerForTests(t);
  for (const older of VERSIONS) {
    for (const newer of VERSIONS) {
      sink.messages.length = 0;
      const first = await withWill(t, address, older);
      const second = new RawMqttClient(t, address, newer);
      second.socket.write(connect(newer));
      await first.closed();
      const told = first.packets
        .slice(1)
        .map(({ cmd, ...rest }) => [cmd, (rest as { reasonCode?: number }).reasonCode]);
      assert.deepEqual(told, older === 5 ? [['disconnect', 0x8e]] : []);
      assert.deepEqual(sink.payloads, ['bye']);
      second.socket.write(hex('e000'));
      await second.closed();
    }
  }
});

test('[MQTT-3.1.2-16, 17; MQTT-3.1.2-12, 14, 15] the will has the QoS and RETAIN that CONNECT gave it', async (t) => {
  const { sink, address } = await listenerForTests(t);
  for (const version of VERSIONS) {
    for (const flags of [0, 8, 16, 32, 40, 48]) {
      sink.messages.length = 0;
      const client = await withWill(t, address, version, { flags });
      client.socket.destroy();
      await waitUntil('the will', () => sink.messages.length > 0);
      const [will] = sink.messages;
      assert.deepEqual([will?.topicName, will?.qos, will?.retain], ['gone', (flags >> 3) & 3, flags >= 32]);
    }
  }
});

test('[MQTT-3.1.3-10] the properties of a will are kept, user properties in their order', async (t) => {
  const { sink, address } = await listenerForTests(t);
  const user = (key: string, value: string) => Buffer.concat([hex('26'), string(key), string(value)]);
  const others = hex('0101 02 0000003c 03 0006 746578742f78 08 0003 722f74 09 0002 00ff');
  const client = await withWill(t, address, 5, {
    props: Buffer.concat([user('z', '1'), others, user('a', '2'), user('z', '1')]),
  });
  client.socket.destroy();
  await waitUntil('the will', () => sink.messages.length > 0);
  const { userProperties, correlationData, ...will } = sink.messages[0]!;
  assert.deepEqual(
    userProperties.map(({ key, value }) => key + value),
    ['z1', 'a2', 'z1'],
  );
  assert.deepEqual([...correlationData!], [0, 255]);
  assert.deepEqual(
    [will.payloadFormatIndicator, will.messageExpiryInterval, will.contentType, will.responseTopic],
    [1, 60, 'text/x', 'r/t'],
  );
});

test('[MQTT-3.1.2-8, 3.1.3-9] a will waits for its delay or the end of its session, and for neither when the client is back', async (t) => {
  const clock = new ManualClock();
  const { sink, address } = await listenerForTests(t, {}, clock);
  const visit = async (delay: number, expiry: number) => {
    const seconds = (value: number) => value.toString(16).padStart(8, '0');
    const init = {
      props: hex(`18 ${seconds(delay)}`),
      connectProps: hex(`11 ${seconds(expiry)}`),
      isClean: false,
    };
    const client = await withWill(t, address, 5, init);
    const timers = clock.timers;
    client.socket.destroy();
    await waitUntil(
      'the will waits, or is published',
      () => clock.timers > timers || sink.messages.length > 0,
    );
  };
  for (const [delay, expiry, due] of [
    [3, 30, 3],
    [100, 2, 2],
    [0, 30, 0],
    [30, 0, 0],
  ] as const) {
    sink.messages.length = 0;
    await visit(delay, expiry);
    if (due > 0) {
      assert.deepEqual(sink.payloads, []);
      clock.advance(due * 1000 - 1);
      assert.deepEqual(sink.payloads, []);
      clock.advance(1);
    }
    await waitUntil('the will', () => sink.messages.length === 1);
  }
  sink.messages.length = 0;
  await visit(3, 30);
  clock.advance(2000);
  const back = new RawMqttClient(t, address, 5);
  back.socket.write(connect(5, { flags: 0 }));
  await back.received(1);
  clock.advance(60_000);
  assert.deepEqual(sink.payloads, []);
});
