import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { TLSSocket } from 'node:tls';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { DELIVERED } from '../../src/executor/handlers/handler.ts';
import { serverCertificate } from '../helpers/certificates.ts';
import {
  check,
  deliverOne,
  failureOf,
  type HttpConfig,
  httpHandler,
  message,
} from '../helpers/http-handler.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { type RawAnswer, rawEndpoint } from '../helpers/raw-endpoint.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

async function setUp(t: TestContext, config: HttpConfig = {}, clock = new ManualClock()) {
  const endpoint = await rawEndpoint(t);
  const value = { restEndpointUrl: endpoint.url, sendOnlyMsgPayload: true, ...config };
  const handler = await httpHandler(t, value, { clock });
  return { endpoint, handler, clock, value };
}

/** Writes this, and then does away with the connection or leaves it open. */
const says =
  (bytes: string | Buffer, then: 'stays' | 'ends' | 'resets' = 'stays') =>
  (socket: Socket): unknown => {
    if (then === 'ends') return socket.end(bytes);
    socket.write(bytes, () => then === 'resets' && setImmediate(() => socket.resetAndDestroy()));
  };

test('interim answers that nobody asked for are not the answer', async (t) => {
  for (const interim of [
    'HTTP/1.1 100 Continue\r\n\r\n',
    'HTTP/1.1 102 Processing\r\n\r\n',
    'HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 102 P\r\n\r\n',
  ]) {
    const { endpoint, handler, value } = await setUp(t);
    for (const [when, onHead, answer] of [
      ['at once with it', () => {}, says(interim + OK)],
      ['before the body', says(interim), says(OK)],
      [
        'before it',
        () => {},
        (socket: Socket) => socket.write(interim, () => setTimeout(() => socket.write(OK), 5)),
      ],
    ] as const) {
      endpoint.onHead = (socket) => onHead(socket);
      endpoint.answer = answer;
      endpoint.bodies.length = 0;
      assert.equal(await deliverOne(handler, message('one')), DELIVERED, when);
      assert.equal(await deliverOne(handler, message('two')), DELIVERED, when);
      assert.deepEqual(endpoint.bodies, ['one', 'two'], when);
    }
    assert.ok(endpoint.opened <= 2, `${endpoint.opened}`); // they take turns
    endpoint.onHead = () => {};
    endpoint.answer = says(`${interim}HTTP/1.1 422 No\r\nContent-Length: 2\r\n\r\nno`);
    const { failureClass, reason } = await failureOf(handler);
    assert.equal(failureClass, FailureClass.REJECTED);
    assert.equal(reason, 'the endpoint answered 422: no');
    endpoint.answer = says(`${interim}HTTP/1.1 200 OK\r\n\r\n`);
    const checked = await check(value);
    assert.deepEqual([checked.reachable, checked.message], [true, 'the endpoint answers 200 to HEAD']);
  }
});

test('an interim answer alone is none', async (t) => {
  const { endpoint, handler } = await setUp(t);
  assert.equal(await deliverOne(handler, message('one')), DELIVERED);
  for (const then of ['ends', 'resets'] as const) {
    const before = endpoint.bodies.length;
    endpoint.answer = says('HTTP/1.1 100 Continue\r\n\r\n', then);
    assert.equal((await failureOf(handler)).failureClass, FailureClass.DISCONNECTED);
    assert.equal(endpoint.bodies.length, before + 1);
  }
});

/** Behind `HTTP/1.1 200`: what is wrong with the rest of an answer, and what becomes of its connection. */
const BROKEN: readonly (readonly [name: string, answer: (socket: Socket) => unknown])[] = [
  ['a body that breaks off', says(' OK\r\nContent-Length: 50\r\n\r\nstored', 'ends')],
  ['a body that is reset', says(' OK\r\nContent-Length: 50\r\n\r\nstored', 'resets')],
  ['a chunk that breaks off', says(' OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nstored', 'ends')],
  ['a chunk without a length', says(' OK\r\nTransfer-Encoding: chunked\r\n\r\nstored\r\n')],
  ['chunks without an end', says(' OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n', 'resets')],
  [
    'chunks and a length',
    says(' OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'),
  ],
  ['another encoding', says(' OK\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok')],
  ['two lengths', says(' OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok')],
  ['a length that is none', says(' OK\r\nContent-Length: two\r\n\r\nok')],
  ['more than its length', says(' OK\r\nContent-Length: 2\r\n\r\nok and more')],
  ['line feeds alone', says(' OK\nContent-Length: 2\n\nok')],
  ['no reason phrase', says('\r\nContent-Length: 2\r\n\r\nok')],
  ['a header without a name', says(' OK\r\n: x\r\nContent-Length: 0\r\n\r\n')],
  ['UTF-8 in a header', says(Buffer.from(' OK\r\nX-Ort: Zürich\r\nContent-Length: 2\r\n\r\nok'))],
  ['a header over 16 KB', says(` OK\r\nX: ${'x'.repeat(20_000)}\r\nContent-Length: 2\r\n\r\nok`)],
  ['many headers', says(` OK\r\n${'X-Y: z\r\n'.repeat(20_000)}\r\n`)],
  ['a head that breaks off', says(' OK\r\nContent-Le', 'ends')],
  ['a head that is reset', says(' OK\r\n', 'resets')],
];

test('whatever comes behind a status, the status decides', async (t) => {
  for (const [status, failureClass] of [
    [200, undefined],
    [204, undefined],
    [400, FailureClass.REJECTED],
    [413, FailureClass.TOO_LARGE],
    [503, FailureClass.UNAVAILABLE],
  ] as const) {
    const { endpoint, handler } = await setUp(t);
    for (const [name, answer] of BROKEN) {
      endpoint.bodies.length = 0;
      endpoint.answer = (socket) => {
        socket.cork();
        socket.write(`HTTP/1.1 ${status}`);
        answer(socket);
        socket.uncork();
      };
      const outcome = await deliverOne(handler, message('one'));
      if (failureClass === undefined) assert.equal(outcome, DELIVERED, `${status}, ${name}`);
      else {
        assert.ok(!outcome.delivered, name);
        assert.equal(outcome.failureClass, failureClass, name);
        assert.match(outcome.reason, new RegExp(`^the endpoint answered ${status}`));
      }
      endpoint.answer = says(OK);
      assert.equal(await deliverOne(handler, message('two')), DELIVERED, `behind ${name}`);
      assert.deepEqual(endpoint.bodies, ['one', 'two'], name);
    }
  }
});

test('the rest of an answer is waited for 2 s, and its status counts', async (t) => {
  for (const [status, failureClass] of [
    [200, undefined],
    [422, FailureClass.REJECTED],
  ] as const) {
    const { endpoint, handler, clock } = await setUp(t);
    endpoint.answer = says(`HTTP/1.1 ${status} OK\r\nContent-Length: 50\r\n\r\nstored`);
    const sending = deliverOne(handler, message('one'));
    await waitUntil('its head is there', () => endpoint.bodies.length === 1 && clock.timers === 1);
    clock.advance(1999);
    assert.equal(endpoint.sockets.size, 1);
    clock.advance(1);
    const outcome = await sending;
    assert.equal(outcome.delivered ? undefined : outcome.failureClass, failureClass);
    await waitUntil('the connection is closed', () => endpoint.sockets.size === 0);
    assert.equal(clock.timers, 0);
    endpoint.answer = says(OK);
    assert.equal(await deliverOne(handler, message('two')), DELIVERED);
    assert.deepEqual(endpoint.bodies, ['one', 'two']);
  }
});

test('a read_timeout behind the status leaves the status', async (t) => {
  for (const answer of ['HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nstored', 'HTTP/1.1 200 OK\r\nX:']) {
    const { endpoint, handler, clock } = await setUp(t, { readTimeout: durationFromMs(100) });
    endpoint.answer = says(answer);
    const sending = deliverOne(handler, message('one'));
    await waitUntil('it is there', () => endpoint.bodies.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 50)); // and the status at the other end
    clock.advance(100);
    assert.equal(await sending, DELIVERED);
    await waitUntil('the connection is closed', () => endpoint.sockets.size === 0);
    assert.equal(clock.timers, 0);
  }
});

test('a change of the protocol is no delivery', async (t) => {
  const { endpoint, handler } = await setUp(t);
  endpoint.answer = says('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n');
  const { failureClass, reason } = await failureOf(handler);
  assert.equal(failureClass, FailureClass.UNAVAILABLE);
  assert.equal(reason, 'the endpoint answered 101');
});

/** A server that ends connections when the next request comes, after so many answers. */
const endsBehind =
  (answers: number, then: 'ends' | 'resets'): RawAnswer =>
  (socket, nth) => {
    if (nth <= answers) socket.write(OK);
    else if (then === 'ends') socket.end();
    else if (socket instanceof TLSSocket) socket.destroy();
    else socket.resetAndDestroy();
  };

test('a connection that its server closes under the next request costs no message', async (t) => {
  const shown = await serverCertificate(t, 'valid');
  for (const tls of [undefined, shown]) {
    for (const then of ['ends', 'resets'] as const) {
      const endpoint = await rawEndpoint(t, tls);
      const config = { restEndpointUrl: endpoint.url, sendOnlyMsgPayload: true, maxConnections: 1 };
      const handler = await httpHandler(t, { ...config, ...(tls && { tls: { caCert: tls.ca } }) });
      endpoint.answer = endsBehind(1, then);
      for (let i = 0; i < 5; i++) assert.equal(await deliverOne(handler, message(`m${i}`)), DELIVERED, then);
      // All but the first came twice, and the first time to a connection that was used before.
      assert.deepEqual(endpoint.bodies, ['m0', 'm1', 'm1', 'm2', 'm2', 'm3', 'm3', 'm4', 'm4']);
      assert.equal(endpoint.opened, 5);
    }
  }
});

test('a request is repeated once, and not on a new connection, nor behind a byte of an answer', async (t) => {
  const { endpoint, handler } = await setUp(t, { maxConnections: 1 });
  const failsAfter = async (answer: RawAnswer, requests: number) => {
    endpoint.answer = answer;
    endpoint.bodies.length = 0;
    assert.equal((await failureOf(handler, message('x'))).failureClass, FailureClass.DISCONNECTED);
    assert.equal(endpoint.bodies.length, requests);
  };
  const again = async () => {
    endpoint.answer = says(OK);
    assert.equal(await deliverOne(handler, message('x')), DELIVERED);
  };
  await failsAfter(endsBehind(0, 'resets'), 1);
  await again();
  await failsAfter(endsBehind(0, 'ends'), 2);
  await failsAfter(endsBehind(0, 'ends'), 1);
  await again();
  await failsAfter(says('H', 'ends'), 1);
});

test('a request whose deadline passes is not repeated', async (t) => {
  const { endpoint, handler } = await setUp(t, { maxConnections: 1 });
  assert.equal(await deliverOne(handler, message('one')), DELIVERED);
  endpoint.answer = () => {};
  const deadline = new AbortController();
  const sending = deliverOne(handler, message('two'), deadline.signal);
  await waitUntil('it is there', () => endpoint.bodies.length === 2);
  deadline.abort(new Error('too late'));
  await assert.rejects(sending, /too late/);
  endpoint.answer = says(OK);
  assert.equal(await deliverOne(handler, message('three')), DELIVERED);
  assert.deepEqual(endpoint.bodies, ['one', 'two', 'three']);
});

test('a batch is repeated like a message', async (t) => {
  const { endpoint, handler } = await setUp(t, { maxConnections: 1, batching: {} });
  endpoint.answer = endsBehind(1, 'ends');
  const { signal } = new AbortController();
  for (let i = 0; i < 3; i++) {
    const outcomes = await handler.deliver([message('1', {}, 0), message('2', {}, 1)], signal);
    assert.deepEqual(outcomes, [DELIVERED, DELIVERED]);
  }
  assert.equal(endpoint.bodies.length, 5);
});

test('a proxy and a token endpoint may send interim answers, too', async (t) => {
  const interim = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n';
  const token = '{"access_token":"abc"}';
  const proxy = await rawEndpoint(t);
  const asked: string[] = [];
  proxy.answer = (socket, _, head) => {
    const [line = ''] = head.split(' HTTP/1.1', 1);
    asked.push(line);
    if (line.startsWith('CONNECT')) socket.write(`${interim}HTTP/1.1 201 Connected\r\n\r\n`);
    else if (line.endsWith('/token')) {
      socket.write(`${interim}HTTP/1.1 200 OK\r\nContent-Length: ${token.length}\r\n\r\n${token}`);
    } else socket.write(interim + OK);
  };
  const value = { tokenUrl: 'http://issuer.invalid/token', clientId: 'id', clientSecret: 's' };
  const handler = await httpHandler(t, {
    restEndpointUrl: 'http://endpoint.invalid/in',
    proxyUrl: new URL(proxy.url).origin,
    credentials: { credentials: { case: 'oauth2', value } },
  });
  assert.equal(await deliverOne(handler, message('one')), DELIVERED);
  assert.deepEqual(asked, ['CONNECT issuer.invalid:80', 'POST /token', 'POST http://endpoint.invalid/in']);
});
