import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, Socket } from 'node:net';
import { test } from 'node:test';
import { dialer, made } from '../../src/runtime/dial.ts';
import { createTargetGuard, TargetRefusedError } from '../../src/runtime/target-guard.ts';

const never = new AbortController().signal;

test('a socket that ends without an error is no connection', async () => {
  for (const isTls of [false, true]) {
    const socket = new Socket();
    const waiting = made(socket, isTls, never);
    socket.destroy();
    await assert.rejects(waiting, /closed before it was made/);
  }
});

test('a connection is made, refused or given up; a late error hurts nobody', async (t) => {
  const server = createServer((socket) => socket.on('error', () => {}));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const target = { host: '127.0.0.1', port };
  const dial = dialer(createTargetGuard(true));
  const socket = await dial(target, never);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.destroy(new Error('late'));
  await closed;

  await assert.rejects(dialer(createTargetGuard(false))(target, never), TargetRefusedError);
  await assert.rejects(dial(target, AbortSignal.abort(new Error('over'))), /over/);
  const silent = { ...target, tls: {} };
  const deadline = new AbortController();
  const waiting = dial(silent, deadline.signal);
  setImmediate(() => deadline.abort(new Error('too late')));
  await assert.rejects(waiting, /too late/);
});
