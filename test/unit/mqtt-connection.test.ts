import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
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
  readonly setNoDelay = () => this;
  readonly setKeepAlive = () => this;
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

test('a client that does not read its acknowledgements is not read on, until it does', async () => {
  const sink = new Sink();
  const socket = new DeafSocket();
  const { takeIn } = sink;
  const deps = {
    ...testDeps(),
    clock: new ManualClock(),
    takeIn,
    notes: new FakeNotes(),
    waiting: new ByteLimit(1e6),
  };
  new ClientConnection(socket as unknown as Socket, sharedByConnections(LISTENER, deps));
  const come = (...packets: Parameters<typeof generate>[0][]) => {
    for (const packet of packets) socket.push(generate(packet, { protocolVersion: 4 }));
  };
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
