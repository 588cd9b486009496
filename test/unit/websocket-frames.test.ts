import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { FrameReader } from '../../src/rpc/web-socket/frame-reader.ts';
import { WebSocketStream } from '../../src/rpc/web-socket/web-socket-stream.ts';
import { BINARY, CONTINUATION, clientFrame, PING, PONG } from '../helpers/raw-websocket.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const bytes = (max: number) => fc.uint8Array({ maxLength: max }).map((array) => Buffer.from(array));
/** A message in some frames, with control frames between. */
const message = fc
  .array(fc.tuple(bytes(300), fc.option(bytes(125))), { minLength: 1, maxLength: 4 })
  .map((parts) => ({
    data: Buffer.concat(parts.map(([data]) => data)),
    frames: parts.flatMap(([data, ping], index) => [
      clientFrame(index === 0 ? BINARY : CONTINUATION, data, { isFinal: index === parts.length - 1 }),
      ...(ping ? [clientFrame(PING, ping), clientFrame(PONG, ping)] : []),
    ]),
    pings: parts.flatMap(([, ping]) => ping ?? []),
  }));

test('whatever frames it comes in, and however they are cut, what was sent is what is read', () => {
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 5 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 200 })),
      (messages, sizes) => {
        const sent = Buffer.concat(messages.flatMap(({ frames }) => frames));
        const reader = new FrameReader();
        const read: Buffer[] = [];
        const pings: Buffer[] = [];
        for (let at = 0; at < sent.length; ) {
          const size = sizes.next().value!;
          const { data, ping } = reader.read(Buffer.from(sent.subarray(at, at + size)));
          read.push(data);
          if (ping) pings.push(ping);
          at += size;
        }
        assert.ok(Buffer.concat(read).equals(Buffer.concat(messages.map(({ data }) => data))));
        assert.deepEqual(pings.at(-1), messages.flatMap(({ pings }) => pings).at(-1));
      },
    ),
  );
});

test('long frames are read as their bytes come: nothing waits for their end', () => {
  for (const length of [125, 126, 65_535, 65_536, 1_000_000]) {
    const reader = new FrameReader();
    const frame = clientFrame(BINARY, Buffer.alloc(length, 'x'));
    const begin = reader.read(frame.subarray(0, 20));
    assert.equal(begin.data.length, 20 - (frame.length - length));
    const { data } = reader.read(frame.subarray(20));
    assert.equal(begin.data.length + data.length, length);
    assert.ok(data.equals(Buffer.alloc(data.length, 'x')));
  }
});

test('who sends without end to one that does not read is not read from, either', async (t) => {
  const server = createServer();
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const client = connectTcp((server.address() as { port: number }).port, '127.0.0.1');
  t.after(() => client.destroy());
  const [socket] = (await accepted) as [Socket];
  const stream = new WebSocketStream(socket, Buffer.alloc(0));
  t.after(() => stream.destroy());
  const frame = clientFrame(BINARY, Buffer.alloc(1000));
  const sent = Buffer.concat(Array<Buffer>(10_000).fill(frame));
  client.write(sent);
  await waitUntil('it is not read from', () => socket.isPaused() && socket.readableLength >= 8192);
  for (let count = 0; count < 100; count++) await turn();
  assert.ok(socket.bytesRead < sent.length / 2, `${socket.bytesRead}`);
  assert.ok(stream.readableLength <= 65_536, `${stream.readableLength}`);
  assert.ok(socket.readableLength <= 8192 + 65_536, `${socket.readableLength}`);
  assert.equal(socket.readableHighWaterMark, 8192);
  let read = 0;
  stream.on('data', (data) => {
    read += data.length;
  });
  await waitUntil('all of it is read', () => read === 10_000 * 1000);
});

/** A socket whose peer reads nothing until it is told to. */
class DeafSocket extends Duplex {
  readonly written: Buffer[] = [];
  readonly setNoDelay = () => this;
  readonly setKeepAlive = () => this;
  readonly setTimeout = () => this;
  readWritten = () => {};

  override _read(): void {}

  override _write(chunk: Buffer, _: string, written: () => void): void {
    this.written.push(chunk);
    this.readWritten = written;
  }
}

test('PINGs of who reads no answers make nothing wait: the last is answered when those before it have been', async () => {
  const socket = new DeafSocket();
  const stream = new WebSocketStream(socket as unknown as Socket, Buffer.alloc(0));
  stream.resume();
  for (let count = 0; count < 1000; count++) {
    socket.push(clientFrame(PING, `${count}`));
    await turn();
  }
  assert.equal(socket.writableLength, 3, 'one answer');
  socket.readWritten();
  await waitUntil('the next', () => socket.written.length === 2);
  assert.deepEqual(
    socket.written.map((frame) => frame.subarray(2).toString()),
    ['0', '999'],
  );
});

test('what is written waits for who does not read it as with TCP', () => {
  const stream = new WebSocketStream(new DeafSocket() as unknown as Socket, Buffer.alloc(0));
  assert.equal(stream.write(Buffer.alloc(4000)), true);
  assert.equal(stream.write(Buffer.alloc(4000)), true);
  assert.equal(stream.write(Buffer.alloc(192)), false);
  assert.equal(stream.writableNeedDrain, true);
});
