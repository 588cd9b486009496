import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { test } from 'node:test';
import { HttpRoom } from '../../src/rpc/http-room.ts';
import { testDeps } from '../helpers/test-deps.ts';

class FakeSocket extends EventEmitter {
  destroyed = false;
  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

class FakeResponse extends EventEmitter {
  status = 0;
  writeHead(status: number): void {
    this.status = status;
  }
  end(): void {}
}

/** A server behind the room; `ask` sends a whole request, which is answered when its response closes. */
function world() {
  const room = new HttpRoom(testDeps().metrics);
  const server = new EventEmitter() as Server;
  room.guard(server);
  const listener = room.listener(() => {});
  const connect = () => {
    const socket = new FakeSocket();
    server.emit('connection', socket);
    return socket;
  };
  const ask = (socket: FakeSocket) => {
    const request = { url: '/', complete: true, socket };
    const response = new FakeResponse();
    listener(request as unknown as IncomingMessage, response as unknown as ServerResponse);
    return response;
  };
  return { connect, ask };
}

test('a socket is busy until the last of its requests is answered, also when they come before the answers', () => {
  const { connect, ask } = world();
  const sockets = Array.from({ length: 1000 }, connect);
  const [first, second, other] = [sockets[0]!, ...sockets].map(ask);
  first!.emit('close');
  assert.equal(ask(connect()).status, 503);
  second!.emit('close');
  const next = ask(connect());
  assert.equal(next.status, 0);
  assert.equal(ask(connect()).status, 503);
  next.emit('close');
  other!.emit('close');
  assert.deepEqual(
    [ask(connect()), ask(connect()), ask(connect())].map(({ status }) => status),
    [0, 0, 503],
  );
});

test('a socket that closes leaves its room to others, whatever its response says after that', () => {
  const { connect, ask } = world();
  const sockets = Array.from({ length: 1000 }, connect);
  const responses = sockets.map(ask);
  sockets[0]!.destroy();
  responses[0]!.emit('close');
  assert.deepEqual(
    [ask(connect()), ask(connect())].map(({ status }) => status),
    [0, 503],
  );
});
