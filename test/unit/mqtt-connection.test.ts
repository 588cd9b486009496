import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { generate } from 'mqtt-packet';
import { ClientConnection } from '../../src/ingress/listener/client-connection.ts';
import { sharedByConnections } from '../../src/ingress/listener/listener.ts';
import { ByteLimit } from '../../src/runtime/byte-limit.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { FakeNotes, LISTENER, publish, Sink } from '../helpers/mqtt-listener.ts';
import { connectPacket } from '../helpers/raw-mqtt-client.ts';
import { testDeps } from '../helpers/test-deps.ts';

/** A socket whose peer reads nothing until it is told to. */
class DeafSocket extends Duplex {
  #written = () => {};

  constructor() {
    super({ writableHighWaterMark: 1024 });
  }

  /** The peer reads what was written last. */
  readWritten(): void {
    const written = this.#written;
    this.#written = () => {};
    written();
  }

  override _read(): void {}

  override _write(_: Buffer, __: string, written: () => void): void {
    this.#written = written;
  }
}

/** What all connections share, in front of a sink. */
function world() {
  const sink = new Sink();
  const deps = {
    ...testDeps(),
    clock: new ManualClock(),
    takeIn: sink.takeIn,
    notes: new FakeNotes(),
    waiting: new ByteLimit(1e6),
  };
  const shared = sharedByConnections(LISTENER, deps);
  const open = () => {
    const socket = new DeafSocket();
    const connection = new ClientConnection(socket, { ...shared, transport: 'tcp' });
    const come = (...packets: Parameters<typeof generate>[0][]) => {
      for (const packet of packets) socket.push(generate(packet, { protocolVersion: 4 }));
    };
    return { socket, connection, come };
  };
  const connected = async () => (await deps.metrics.mqttConnections.get()).values[0]?.value;
  return { sink, ...shared, open, connected };
}

const will = (payload: string) => ({ topic: 'gone', payload, qos: 1, retain: false }) as const;

test('a client that connects again while it is the oldest of too many newcomers takes its place', async () => {
  const { sessions, open, connected } = world();
  const old = open();
  old.come(connectPacket(4, 'c'));
  await turn();
  const again = open();
  const silent = Array.from({ length: 999 }, open);
  again.come(connectPacket(4, 'c'));
  await turn();
  await turn();
  assert.equal(again.socket.destroyed, false);
  assert.deepEqual([again.socket.writableEnded, sessions.isOnline('c'), await connected()], [false, true, 1]);
  for (const { connection } of [old, again, ...silent]) connection.destroy();
  await turn();
  assert.deepEqual([sessions.online, await connected()], [0, 0]);
});

for (const [end, wills] of [
  ['crowdOut', ['old', 'new']],
  ['giveUp', ['old', 'new']],
  ['takenOver', ['old', 'new']],
  ['shutDown', ['old']],
] as const) {
  test(`a connection that ends while it takes over a client id gives it back: ${end}`, async () => {
    const { sink, sessions, open, connected } = world();
    const connect = { ...connectPacket(4, 'c'), clean: false };
    const old = open();
    old.come({ ...connect, will: will('old') });
    await turn();
    const next = open();
    sink.answer = async ({ payload }) => {
      if (Buffer.from(payload).toString() === 'old') next.connection[end]();
      return 1;
    };
    next.come({ ...connect, will: will('new') });
    await turn();
    await turn();
    assert.deepEqual([sessions.online, await connected()], [0, 0]);
    assert.deepEqual(sink.payloads, wills);
    assert.equal(next.socket.writableLength, 0, 'it is not accepted');
    const back = open();
    const { isPresent } = sessions.open('c', false, back.connection);
    assert.equal(isPresent, true, 'its session stays');
  });
}

test('a client that does not read its acknowledgements is not read on, until it does', async () => {
  const { sink, open } = world();
  const { socket, come } = open();
  come(connectPacket(4));
  const total = 5000; // their acknowledgements are 20 KB
  let sent = 0;
  while (sent < total) {
    come(...Array.from({ length: 100 }, () => publish(++sent, 1)));
    await turn();
  }
  for (let i = 0; i < 1000; i++) await turn();
  assert.ok(socket.writableNeedDrain);
  const taken = sink.messages.length;
  assert.ok(taken < 1000, `${taken} were taken in, whose acknowledgements wait in memory`);
  for (let i = 0; i < 10_000 && sink.messages.length < total; i++) {
    socket.readWritten();
    await turn();
  }
  assert.equal(sink.messages.length, total);
});
