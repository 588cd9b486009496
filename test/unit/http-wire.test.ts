import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Wire } from '../../src/executor/handlers/http/wire.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

const FINAL = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const INTERIM: Record<string, string> = {
  none: '',
  '100': 'HTTP/1.1 100 Continue\r\n\r\n',
  'with headers': 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nX: \r\n\r\n',
  'without a phrase, by line feeds': 'HTTP/1.0 102\nX: y\n\n',
  several: 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 199 X\r\n\r\n',
  'behind line breaks': '\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n',
};

/** A wire that a request has left by, and what is read of what comes over it. */
function wireOf() {
  const socket = new Socket();
  const wire = new Wire(socket);
  wire.begin();
  const read = (...chunks: readonly string[]) => {
    for (const chunk of chunks) socket.push(Buffer.from(chunk, 'latin1'));
    return socket.read()?.toString('latin1') ?? '';
  };
  return { wire, read };
}

test('of all that comes before an answer nothing is read, wherever it is cut', () => {
  for (const [name, interim] of Object.entries(INTERIM)) {
    const bytes = interim + FINAL;
    for (let cut = 0; cut <= bytes.length; cut++) {
      const { wire, read } = wireOf();
      assert.equal(read(bytes.slice(0, cut), bytes.slice(cut)), FINAL, `${name}, cut at ${cut}`);
      assert.equal(wire.status, 200);
    }
    const { wire, read } = wireOf();
    assert.equal(read(...bytes), FINAL, `${name}, byte by byte`);
    assert.equal(wire.status, 200);
  }
});

test('what looks like an interim answer within a body is read', () => {
  const { wire, read } = wireOf();
  const body = INTERIM.several ?? '';
  const head = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`;
  assert.equal(read(head, body), head + body);
  wire.begin();
  assert.equal(wire.status, 0);
  assert.equal(read(`HTTP/1.1 100 Continue\r\n\r\n${FINAL}`), FINAL);
});

test('a change of the protocol, and what is no HTTP, is read as it comes', () => {
  for (const [bytes, status] of [
    ['HTTP/1.1 101 Switching Protocols\r\n\r\n', 101],
    ['220 smtp.example.com ESMTP\r\n', 0],
    ['hi\r\n', 0],
    ['HTTP/1.1 2000 OK\r\n\r\n', 0],
    ['HTTP/2.0 200 OK\r\n\r\n', 0],
    ['HTTP/1.1 099 OK\r\n\r\n', 0],
  ] as const) {
    const { wire, read } = wireOf();
    assert.equal(read(bytes), bytes);
    assert.equal(wire.status, status, bytes);
  }
});

test('an interim answer is skipped however long it is', () => {
  const { wire, read } = wireOf();
  const many = 'HTTP/1.1 100 Continue\r\nX: '.padEnd(1_000_000, 'x');
  assert.equal(read(many, many, `${many}\r\n\r`, '\n', FINAL), FINAL);
  assert.equal(wire.status, 200);
});

test('who waits for the end of a connection hears of it, or waits no longer than he said', async () => {
  const clock = new FakeClock();
  const socket = new Socket();
  const wire = new Wire(socket);
  const ended: string[] = [];
  const wait = (name: string, within: number) => void wire.ended(clock, within).then(() => ended.push(name));
  wait('short', 100);
  wait('long', 1000);
  await clock.advance(100);
  assert.deepEqual(ended, ['short']);
  wait('other', 100);
  socket.destroy();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([ended, clock.timers], [['short', 'long', 'other'], 0]);
});

test('nothing is left of those who have waited for the end of a connection that goes on', async () => {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  const wire = new Wire(new Socket());
  let timer: WeakRef<() => void> | undefined;
  const setTimer = (due: () => void) => {
    queueMicrotask(due);
    const cancel = () => {};
    timer = new WeakRef(cancel);
    return cancel;
  };
  await wire.ended(Object.assign(new FakeClock(), { setTimer }), 100);
  await new Promise((resolve) => setImmediate(resolve));
  collect();
  assert.equal(timer?.deref(), undefined);
  assert.equal(wire.isLost, false);
});
