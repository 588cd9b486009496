import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { faultProxy } from '../helpers/fault-proxy.ts';
import { onEnd } from '../helpers/on-end.ts';
import { waitUntil } from '../helpers/wait-until.ts';

/** A server that sends everything back, behind a proxy; `got` is what it received. */
async function echo(t: TestContext) {
  const got = { bytes: 0 };
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (data) => {
      got.bytes += data.length;
    });
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onEnd(t, () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const proxy = await faultProxy(t, '127.0.0.1', (server.address() as AddressInfo).port);
  const client = () => {
    const socket = connect({ port: proxy.port, host: '127.0.0.1' });
    socket.on('error', () => {});
    onEnd(t, () => socket.destroy());
    return socket;
  };
  return { proxy, got, client };
}

const failure = async (socket: Socket) => {
  const [error] = await once(socket, 'error').catch((thrown) => [thrown]);
  return error.code;
};

test('without a fault every byte passes both ways, and so does the end', async (t) => {
  const { proxy, client } = await echo(t);
  const sent = randomBytes(3_000_000);
  const socket = client();
  socket.end(sent);
  assert.ok((await buffer(socket)).equals(sent));
  await waitUntil('the connection has ended', () => proxy.connections === 0);
  assert.equal(proxy.opened, 1);
});

for (const [name, toxics] of Object.entries({
  latency: { latency: 100 },
  bandwidth: { bandwidth: 40_000 },
})) {
  test(`${name}: everything arrives, later`, async (t) => {
    const { proxy, client } = await echo(t);
    await proxy.set({ downstream: toxics });
    const sent = randomBytes(5000);
    const began = performance.now();
    const socket = client();
    socket.end(sent);
    assert.ok((await buffer(socket)).equals(sent));
    assert.ok(performance.now() - began >= 95);
  });
}

test('a latency that is healed holds nothing back any longer', async (t) => {
  const { proxy, client } = await echo(t);
  await proxy.set({ upstream: { latency: 3_600_000 } });
  const socket = client();
  socket.write('hello');
  await waitUntil('the connection is there', () => proxy.connections === 1);
  await proxy.set({});
  assert.equal(String((await once(socket, 'data'))[0]), 'hello');
});

test('slicer: everything arrives, in pieces', async (t) => {
  const { proxy, client } = await echo(t);
  await proxy.set({ downstream: { slicer: 7 } });
  const sent = randomBytes(200);
  const socket = client();
  const pieces: Buffer[] = [];
  socket.on('data', (data) => pieces.push(data));
  socket.end(sent);
  await once(socket, 'close');
  assert.ok(Buffer.concat(pieces).equals(sent));
  assert.ok(pieces.length > 2, `${pieces.length}`);
});

test('timeout: the bytes of one direction vanish, and what lived through it is cut', async (t) => {
  const { proxy, got, client } = await echo(t);
  for (const direction of ['upstream', 'downstream'] as const) {
    got.bytes = 0;
    await proxy.set({ [direction]: { timeout: true } });
    const socket = client();
    socket.on('data', () => assert.fail('nothing may arrive'));
    socket.write('hello');
    if (direction === 'downstream') await waitUntil('the server has it', () => got.bytes === 5);
    else await proxy.pause(50);
    assert.equal(got.bytes, direction === 'downstream' ? 5 : 0);
    const failed = failure(socket);
    await proxy.set({});
    assert.equal(await failed, 'ECONNRESET');
  }
  const healed = client();
  healed.end('hello');
  assert.equal(String(await buffer(healed)), 'hello');
});

test('timeout: a connection that its client ends counts no longer', async (t) => {
  const { proxy, client } = await echo(t);
  await proxy.set({ downstream: { timeout: true } });
  const socket = client();
  socket.write('hello');
  await waitUntil('the connection is there', () => proxy.connections === 1);
  socket.destroy();
  await waitUntil('it has ended', () => proxy.connections === 0);
});

test('reset_peer: the server gets the request, or does not, and the client is reset', async (t) => {
  const { proxy, got, client } = await echo(t);
  for (const [direction, bytes] of [
    ['upstream', 0],
    ['downstream', 5],
  ] as const) {
    const socket = client();
    socket.write('hello');
    await once(socket, 'data');
    got.bytes = 0;
    await proxy.set({ [direction]: { resetPeer: true } });
    socket.write('again');
    assert.equal(await failure(socket), 'ECONNRESET');
    assert.equal(got.bytes, bytes);
    await proxy.set({});
  }
});

test('down: connections are reset and refused, until it is up again on its port', async (t) => {
  const { proxy, client } = await echo(t);
  const socket = client();
  socket.write('hello');
  await once(socket, 'data');
  const failed = failure(socket);
  await proxy.set({ down: true });
  assert.equal(await failed, 'ECONNRESET');
  assert.equal(proxy.connections, 0);
  assert.equal(await failure(client()), 'ECONNREFUSED');
  await proxy.set({});
  const up = client();
  up.end('hello');
  assert.equal(String(await buffer(up)), 'hello');
});

test('cut: connections are reset, and the next one lives', async (t) => {
  const { proxy, client } = await echo(t);
  const socket = client();
  socket.write('hello');
  await once(socket, 'data');
  const failed = failure(socket);
  proxy.cut();
  assert.equal(await failed, 'ECONNRESET');
  const next = client();
  next.end('hello');
  assert.equal(String(await buffer(next)), 'hello');
});

test('a server that is not there ends the connection', async (t) => {
  const nobody = await faultProxy(t, '127.0.0.1', 1);
  const socket = connect({ port: nobody.port, host: '127.0.0.1' });
  assert.equal(await failure(socket), 'ECONNRESET');
});
