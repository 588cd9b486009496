import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { type HttpConfigurationSchema, HttpMethod } from '../../gen/penstock/v1/http_pb.ts';
import { PayloadContentType } from '../../gen/penstock/v1/payload_pb.ts';
import {
  DELIVERED,
  type Failure,
  type Handler,
  type HandlerContext,
} from '../../src/executor/handlers/handler.ts';
import { bound, connected, contextOf, never, outbound } from '../helpers/handler.ts';
import { answer, gather, type HttpEndpoint, hang, httpEndpoint, reset } from '../helpers/http-endpoint.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { waitUntil } from '../helpers/wait-until.ts';

type Config = MessageInitShape<typeof HttpConfigurationSchema>;

async function setUp(t: TestContext, config: Config = {}, context?: Partial<HandlerContext>) {
  const endpoint = await httpEndpoint(t);
  const value = { restEndpointUrl: endpoint.url, sendOnlyMsgPayload: true, ...config };
  const handler = await connected(t, { case: 'http', value }, context);
  return { endpoint, handler };
}

async function deliver(handler: Handler, payload = 'hello', signal = never) {
  const [outcome] = await handler.deliver([outbound(payload)], signal);
  assert.ok(outcome);
  return outcome;
}

async function failure(handler: Handler): Promise<Failure> {
  const outcome = await deliver(handler);
  assert.ok(!outcome.delivered);
  return outcome;
}

const bodies = ({ received }: HttpEndpoint) => received.map(({ body }) => body.toString());

test('every method sends the payload, but GET and DELETE, which have no body', async (t) => {
  for (const [name, method] of Object.entries(HttpMethod)) {
    const { endpoint, handler } = await setUp(t, {
      requestMethod: method,
      payloadContentType: PayloadContentType.TEXT,
    });
    assert.deepEqual(await deliver(handler), DELIVERED);
    const [request] = endpoint.received;
    assert.equal(request?.method, name === 'UNSPECIFIED' ? 'POST' : name);
    const hasBody = name !== 'GET' && name !== 'DELETE';
    assert.equal(request?.body.toString(), hasBody ? 'hello' : '');
    assert.equal(request?.headers['content-type'], hasBody ? 'text/plain; charset=utf-8' : undefined);
    assert.equal(request?.headers['transfer-encoding'], undefined);
  }
});

test('the URL is kept with its path and its query', async (t) => {
  const endpoint = await httpEndpoint(t);
  const restEndpointUrl = `${endpoint.url}/%20a?x=1&y=%2F#fragment`;
  const handler = await connected(t, { case: 'http', value: { restEndpointUrl } });
  await deliver(handler);
  assert.equal(endpoint.received[0]?.path, '/in/%20a?x=1&y=%2F');
});

test("configured headers go along, and win over the payload's content type in any case", async (t) => {
  const headers = { 'Content-TYPE': 'application/vnd.x+json', 'X-One': 'grüße', Authorization: 'Bearer abc' };
  const { endpoint, handler } = await setUp(t, { headers });
  await deliver(handler);
  const [request] = endpoint.received;
  assert.equal(request?.headers['content-type'], 'application/vnd.x+json');
  assert.equal(request?.rawHeaders.filter((name) => name.toLowerCase() === 'content-type').length, 1);
  assert.equal(request?.headers['x-one'], 'grüße');
  assert.equal(request?.headers.authorization, 'Bearer abc');
});

test('basic credentials are sent with each request, in UTF-8', async (t) => {
  const basic = { username: 'mé', password: 'p:w' };
  const { endpoint, handler } = await setUp(t, {
    credentials: { credentials: { case: 'basic', value: basic } },
  });
  await deliver(handler);
  const [scheme, encoded] = endpoint.received[0]?.headers.authorization?.split(' ') ?? [];
  assert.equal(scheme, 'Basic');
  assert.equal(Buffer.from(encoded ?? '', 'base64').toString(), 'mé:p:w');
});

test('a payload that cannot be written is unencodable, and is not sent', async (t) => {
  const strict = { payloadContentType: PayloadContentType.JSON, sendBinaryOnParseFailure: false };
  const { endpoint, handler } = await setUp(t, strict);
  const { failureClass, reason } = await failure(handler);
  assert.equal(failureClass, FailureClass.UNENCODABLE);
  assert.match(reason, /JSON/);
  assert.equal(endpoint.received.length, 0);
});

const STATUSES: Record<keyof typeof FailureClass | 'DELIVERED', readonly number[]> = {
  DELIVERED: [200, 201, 202, 204, 226],
  REJECTED: [300, 301, 302, 303, 304, 307, 308, 400, 415, 422],
  UNAVAILABLE: [401, 403, 404, 405, 409, 411, 425, 451, 500, 501, 502, 503, 504, 599],
  TIMEOUT: [408],
  TOO_LARGE: [413, 414, 431],
  THROTTLED: [429],
  UNSPECIFIED: [],
  DISCONNECTED: [],
  UNENCODABLE: [],
  EXPIRED: [],
};

test('a status is a delivery or a failure of its class; redirects are not followed', async (t) => {
  const { endpoint, handler } = await setUp(t);
  for (const [name, statuses] of Object.entries(STATUSES)) {
    for (const status of statuses) {
      endpoint.respond = answer(status, { location: '/elsewhere' }, status === 204 ? '' : 'because');
      const outcome = await deliver(handler);
      if (name === 'DELIVERED') assert.deepEqual(outcome, DELIVERED, `${status}`);
      else {
        assert.ok(!outcome.delivered, `${status}`);
        assert.equal(outcome.failureClass, FailureClass[name as keyof typeof FailureClass], `${status}`);
        assert.equal(outcome.reason, `the endpoint answered ${status}${status === 304 ? '' : ': because'}`);
        assert.equal(outcome.retryAfter, undefined);
      }
    }
  }
  assert.ok(endpoint.received.every(({ path }) => path === '/in'));
});

test('an informational answer is not the answer', async (t) => {
  const { endpoint, handler } = await setUp(t);
  endpoint.respond = (response) => {
    response.writeProcessing();
    response.writeEarlyHints({ link: '</x>; rel=preload' });
    response.writeHead(200).end();
  };
  assert.deepEqual(await deliver(handler), DELIVERED);
});

test('Retry-After is seconds or a date of any form, within limits; anything else is ignored', async (t) => {
  const { endpoint, handler } = await setUp(t, {}, { clock: new ManualClock(), maxRetryAfter: 600_000 }); // it is 1970
  const pauses: [header: string, pause: number | undefined, said: string][] = [
    ['2', 2000, ' and wants a pause of 2 s'],
    ['0', undefined, ''],
    ['330', 330_000, ' and wants a pause of 330 s'],
    ['600', 600_000, ' and wants a pause of 600 s'],
    ['601', 600_000, ' and wants a pause of 601 s, of which PENSTOCK_MAX_RETRY_AFTER grants 600 s'],
    [
      '9'.repeat(400),
      600_000,
      ' and wants a pause of Infinity s, of which PENSTOCK_MAX_RETRY_AFTER grants 600 s',
    ],
    ['Thu, 01 Jan 1970 00:00:05 GMT', 5000, ' and wants a pause of 5 s'],
    ['Thursday, 01-Jan-70 00:00:05 GMT', 5000, ' and wants a pause of 5 s'],
    ['Thu Jan  1 00:00:05 1970', 5000, ' and wants a pause of 5 s'],
    ['Wed, 31 Dec 1969 23:59:00 GMT', undefined, ''],
    ['Wednesday, 31-Dec-69 23:59:00 GMT', undefined, ''],
    ['Wed Dec 31 23:59:00 1969', undefined, ''],
    [
      'Fri Jan  2 00:00:00 1970',
      600_000,
      ' and wants a pause of 86400 s, of which PENSTOCK_MAX_RETRY_AFTER grants 600 s',
    ],
    ['soon', undefined, ''],
    ['in 2099', undefined, ''],
    ['-5', undefined, ''],
    ['1.5', undefined, ''],
    ['2 seconds', undefined, ''],
    ['', undefined, ''],
  ];
  for (const [header, pause, said] of pauses) {
    for (const status of [429, 503]) {
      endpoint.respond = answer(status, { 'retry-after': header }, 'why');
      const { retryAfter, reason } = await failure(handler);
      assert.equal(retryAfter, pause, `${status} ${header}`);
      assert.equal(reason, `the endpoint answered ${status}${said}: why`);
    }
  }
});

test('of a long answer the beginning is the reason, and its status counts', async (t) => {
  const { endpoint, handler } = await setUp(t, { maxInMemoryBufferSizeBytes: 1000 });
  endpoint.respond = answer(200, {}, 'x'.repeat(1_000_000));
  assert.deepEqual(await deliver(handler), DELIVERED);
  endpoint.respond = answer(500, {}, 'y'.repeat(1_000_000));
  const { failureClass, reason } = await failure(handler);
  assert.equal(failureClass, FailureClass.UNAVAILABLE);
  assert.equal(reason, `the endpoint answered 500: ${'y'.repeat(200)}`);
  endpoint.respond = answer(200);
  assert.deepEqual(await deliver(handler), DELIVERED);
});

test('an answer that never ends is cut off at the buffer', async (t) => {
  const { endpoint, handler } = await setUp(t, { maxInMemoryBufferSizeBytes: 1000 });
  endpoint.respond = (response) => {
    response.writeHead(200);
    const more = () => {
      while (!response.destroyed && response.write('x'.repeat(100)));
    };
    response.on('drain', more);
    more();
  };
  assert.deepEqual(await deliver(handler), DELIVERED);
  await waitUntil('the connection is closed', () => endpoint.sockets.size === 0);
});

test('an answer that dribbles ends with the signal, and its status counts', async (t) => {
  const { endpoint, handler } = await setUp(t);
  endpoint.respond = (response) => response.writeHead(200).write('some');
  const deadline = new AbortController();
  const sending = deliver(handler, 'slow', deadline.signal);
  await waitUntil('it is there', () => endpoint.received.length === 1);
  await sleep(50); // and the status at the other end
  deadline.abort(new Error('too late'));
  assert.deepEqual(await sending, DELIVERED);
  await waitUntil('the connection is closed', () => endpoint.sockets.size === 0);
});

test('read_timeout ends an attempt before its deadline, as a timeout', async (t) => {
  const clock = new ManualClock();
  const { endpoint, handler } = await setUp(t, { readTimeout: durationFromMs(100) }, { clock });
  endpoint.respond = hang;
  const sending = failure(handler);
  await waitUntil('it is there', () => endpoint.received.length === 1);
  clock.advance(100);
  const { failureClass, reason } = await sending;
  assert.equal(failureClass, FailureClass.TIMEOUT);
  assert.match(reason, /read_timeout.*100 ms/);
  endpoint.respond = answer(200);
  assert.deepEqual(await deliver(handler), DELIVERED);
  assert.equal(clock.timers, 0);
});

test('a deadline that passes during read_timeout is the deadline', async (t) => {
  const clock = new ManualClock();
  const { endpoint, handler } = await setUp(t, { readTimeout: durationFromMs(100) }, { clock });
  endpoint.respond = hang;
  const deadline = new AbortController();
  const sending = deliver(handler, 'slow', deadline.signal);
  await waitUntil('it is there', () => endpoint.received.length === 1);
  deadline.abort(new Error('too late'));
  await assert.rejects(sending, /too late/);
  assert.equal(clock.timers, 0);
});

test('a connection that is reset before an answer is lost', async (t) => {
  const { endpoint, handler } = await setUp(t);
  endpoint.respond = reset;
  const { failureClass, reason } = await failure(handler);
  assert.equal(failureClass, FailureClass.DISCONNECTED);
  assert.notEqual(reason, '');
  endpoint.respond = answer(200);
  assert.deepEqual(await deliver(handler), DELIVERED);
});

test('what is not HTTP is no answer', async (t) => {
  const { endpoint, handler } = await setUp(t);
  endpoint.respond = (response) => response.socket?.end('220 smtp.example.com ESMTP\r\n');
  assert.equal((await failure(handler)).failureClass, FailureClass.DISCONNECTED);
});

test('an endpoint that refuses, and a name without an address, are lost connections', async (t) => {
  const endpoint = await httpEndpoint(t);
  await endpoint.stop();
  for (const restEndpointUrl of [endpoint.url, 'http://penstock.invalid/in']) {
    const handler = await connected(t, { case: 'http', value: { restEndpointUrl } });
    const { failureClass, reason } = await failure(handler);
    assert.equal(failureClass, FailureClass.DISCONNECTED);
    assert.match(reason, /ECONNREFUSED|penstock\.invalid/);
  }
});

test('the endpoint never sees more requests at a time, nor more connections, than configured', async (t) => {
  const { endpoint, handler } = await setUp(t, { maxParallelRequestsCount: 3 });
  assert.equal(handler.parallel, 3);
  endpoint.respond = gather(3);
  const sendTwenty = async () => {
    for (let i = 0; i < 20; i++) assert.equal(await deliver(handler, `m${i}`), DELIVERED);
  };
  await Promise.all([sendTwenty(), sendTwenty(), sendTwenty()]); // more are not handed to it
  assert.equal(endpoint.received.length, 60);
  assert.equal(endpoint.mostAtATime, 3);
  assert.equal(endpoint.opened, 3);
});

test('without a limit of its own, the window of the delivery is the limit', async (t) => {
  const { handler } = await setUp(t, {}, { maxInFlight: 7 });
  assert.equal(handler.parallel, 7);
});

test('connections serve request after request, whatever the answers', async (t) => {
  const { endpoint, handler } = await setUp(t);
  for (let i = 0; i < 30; i++) {
    endpoint.respond = answer(i % 2 === 0 ? 200 : 500, {}, 'body');
    await deliver(handler);
  }
  // The first is not free yet when its answer is handed on, so a second one takes turns with it.
  assert.ok(endpoint.opened <= 2, `${endpoint.opened}`);
});

test('a connection that the endpoint closed between two requests costs none of them', async (t) => {
  const { endpoint, handler } = await setUp(t);
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(await deliver(handler), DELIVERED);
    for (const socket of endpoint.sockets) socket.end();
    await waitUntil('it is closed', () => endpoint.sockets.size === 0);
  }
  assert.equal(endpoint.opened, 3);
});

test('a request whose deadline passes while it waits for a connection never leaves', async (t) => {
  const { endpoint, handler } = await setUp(t, { maxParallelRequestsCount: 1 });
  const first = Promise.withResolvers<void>();
  endpoint.respond = async (response) => {
    await first.promise;
    response.writeHead(200).end();
  };
  const sending = deliver(handler, 'first');
  await waitUntil('the first is there', () => endpoint.received.length === 1);
  const deadline = new AbortController();
  const waiting = deliver(handler, 'second', deadline.signal);
  deadline.abort(new Error('too late'));
  await assert.rejects(waiting, /too late/);
  first.resolve();
  assert.deepEqual(await sending, DELIVERED);
  assert.deepEqual(await deliver(handler, 'third'), DELIVERED);
  assert.deepEqual(bodies(endpoint), ['first', 'third']);
});

test('a restart in the middle of many loses only what was on its way', async (t) => {
  const { endpoint, handler } = await setUp(t, { maxParallelRequestsCount: 4 });
  const failed: string[] = [];
  for (let i = 0; i < 100; i++) {
    if (i === 50) {
      await endpoint.stop();
      await endpoint.start();
    }
    if ((await deliver(handler, `m${i}`)) !== DELIVERED) failed.push(`m${i}`);
  }
  assert.ok(failed.length <= 1);
  assert.equal(new Set([...bodies(endpoint), ...failed]).size, 100);
});

const check = (value: Config, signal = never) => bound({ case: 'http', value }).check(contextOf(), signal);

test('a check asks with HEAD, the configured headers and credentials', async (t) => {
  const endpoint = await httpEndpoint(t);
  const basic = { username: 'me', password: 'pw' };
  const credentials = { credentials: { case: 'basic' as const, value: basic } };
  await check({ restEndpointUrl: endpoint.url, headers: { 'X-One': '1' }, credentials });
  const [request] = endpoint.received;
  assert.equal(request?.method, 'HEAD');
  assert.equal(request?.headers['x-one'], '1');
  assert.equal(request?.headers.authorization, `Basic ${Buffer.from('me:pw').toString('base64')}`);
});

test('a check takes any answer for a peer, but 401 and 403', async (t) => {
  const endpoint = await httpEndpoint(t);
  for (const status of [200, 204, 301, 400, 401, 403, 404, 405, 500, 503]) {
    endpoint.respond = answer(status, { 'content-length': '10' });
    const { reachable, message } = await check({ restEndpointUrl: endpoint.url });
    assert.equal(reachable, status !== 401 && status !== 403, `${status}`);
    assert.match(message, new RegExp(`answers ${status} to HEAD`));
  }
});

test('a configuration that the schema cannot judge is judged', () => {
  const problem = (value: Config) =>
    bound({ case: 'http', value })
      .validate(contextOf().guard)
      .map(({ field }) => field);
  assert.deepEqual(problem({ restEndpointUrl: 'https://example.com/in' }), []);
  assert.deepEqual(problem({ restEndpointUrl: 'http://[' }), ['rest_endpoint_url']);
  assert.deepEqual(problem({ restEndpointUrl: 'http://example.com:99999/' }), ['rest_endpoint_url']);
  assert.deepEqual(problem({ restEndpointUrl: 'http://example.com/', headers: { 'X-A': '1', 'x-a': '2' } }), [
    'headers',
  ]);
});
