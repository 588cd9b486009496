import assert from 'node:assert/strict';
import type { ServerHttp2Stream } from 'node:http2';
import { type TestContext, test } from 'node:test';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { HttpVersion } from '../../gen/penstock/v1/http_pb.ts';
import { DELIVERED, type Handler } from '../../src/executor/handlers/handler.ts';
import { serverCertificate } from '../helpers/certificates.ts';
import { engine } from '../helpers/engine.ts';
import { faultProxy } from '../helpers/fault-proxy.ts';
import { outbound } from '../helpers/handler.ts';
import { gather, type HttpEndpoint, httpEndpoint, type Respond } from '../helpers/http-endpoint.ts';
import {
  bodies,
  check,
  deliverOne,
  failureOf,
  type HttpConfig,
  httpHandler,
  message,
} from '../helpers/http-handler.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const TWO: HttpConfig = { httpVersion: HttpVersion.HTTP_VERSION_2 };

/** An endpoint that speaks HTTP/2, unless `settings` is missing, and a handler that delivers to it. */
async function setUp(t: TestContext, settings: object | undefined, config: HttpConfig) {
  const shown = await serverCertificate(t, 'valid');
  const endpoint = await httpEndpoint(t, shown, settings);
  const network = await faultProxy(t, '127.0.0.1', endpoint.port);
  const restEndpointUrl = endpoint.url.replace(`${endpoint.port}`, `${network.port}`);
  const full: HttpConfig = { restEndpointUrl, tls: { caCert: shown.ca }, ...config };
  return { endpoint, network, config: full, handler: await httpHandler(t, full) };
}

const slowly: Respond = (response) => setTimeout(() => response.writeHead(200).end('ok'), 5);
const versions = ({ received }: HttpEndpoint) => new Set(received.map(({ httpVersion }) => httpVersion));

/** Delivers so many messages, as many at a time as the handler takes. */
async function deliverMany(handler: Handler, count: number) {
  let left = count;
  const next = async () => {
    while (left-- > 0) assert.equal(await deliverOne(handler, message(`m${left}`)), DELIVERED);
  };
  await Promise.all(Array.from({ length: handler.parallel }, next));
}

test('many requests share a connection where the endpoint speaks HTTP/2', async (t) => {
  const { endpoint, handler, config } = await setUp(t, {}, { ...TWO, headers: { 'X-One': '1' } });
  endpoint.respond = slowly;
  await deliverMany(handler, 500);
  assert.equal(endpoint.received.length, 500);
  assert.deepEqual(versions(endpoint), new Set(['2.0']));
  assert.equal(endpoint.opened, 1);
  assert.ok(endpoint.mostAtATime > 32 && endpoint.mostAtATime <= 64, `${endpoint.mostAtATime}`);
  const { method, path, headers } = endpoint.received[0]!;
  assert.equal(method, 'POST');
  assert.equal(path, '/in');
  assert.equal(headers['x-one'], '1');
  assert.equal(headers['penstock-hops'], '1');
  assert.equal((await check(config)).reachable, true);
  assert.equal(endpoint.received.at(-1)?.httpVersion, '2.0');
});

test('HTTP/1.1 is spoken unless HTTP/2 is asked for, and where the endpoint speaks nothing else', async (t) => {
  const unasked = await setUp(t, {}, {});
  await deliverMany(unasked.handler, 100);
  assert.deepEqual(versions(unasked.endpoint), new Set(['1.1']));

  const old = await setUp(t, undefined, { ...TWO, maxParallelRequestsCount: 8 });
  old.endpoint.respond = gather(8);
  await deliverMany(old.handler, 100);
  assert.deepEqual(versions(old.endpoint), new Set(['1.1']));
  assert.equal(old.endpoint.mostAtATime, 8);
  assert.equal(old.endpoint.opened, 8);
});

test('an endpoint that takes few requests on a connection gets more connections, as many as allowed', async (t) => {
  const few = { maxConcurrentStreams: 4 };
  const many = await setUp(t, few, { ...TWO, maxParallelRequestsCount: 16 });
  many.endpoint.respond = slowly;
  await deliverMany(many.handler, 200);
  assert.ok(many.endpoint.opened > 1 && many.endpoint.opened <= 16, `${many.endpoint.opened}`);
  assert.ok(many.endpoint.mostAtATime <= 16);

  const one = await setUp(t, few, { ...TWO, maxParallelRequestsCount: 16, maxConnections: 1 });
  one.endpoint.respond = slowly;
  assert.equal(one.handler.parallel, 16);
  await deliverMany(one.handler, 100);
  assert.equal(one.endpoint.opened, 1);
  assert.equal(one.endpoint.mostAtATime, 4);
});

test('a connection that died without a sign costs the messages on it, and no more', async (t) => {
  const { endpoint, handler, network } = await setUp(t, {}, TWO);
  await deliverMany(handler, 10);
  await network.set({ downstream: { timeout: true }, upstream: { timeout: true } });
  const deadline = new AbortController();
  const lost = Promise.allSettled([1, 2, 3].map(() => deliverOne(handler, message('x'), deadline.signal)));
  await new Promise((resolve) => setTimeout(resolve, 50));
  deadline.abort(new Error('too late'));
  for (const { status } of await lost) assert.equal(status, 'rejected');
  const received = endpoint.received.length;
  // What went missing stays missing: the old connection is dead for good, but for what `set` would do to it.
  const before = network.opened;
  const after = deliverOne(handler, message('after'));
  await waitUntil('it tries another connection', () => network.opened > before);
  await network.set({});
  await after;
  await waitUntil('it delivers again', async () => (await deliverOne(handler, message('y'))) === DELIVERED);
  assert.ok(endpoint.received.length > received);
});

test('a request that times out does not disturb the others on its connection', async (t) => {
  const { endpoint, handler } = await setUp(t, {}, TWO);
  const answers = Promise.withResolvers<void>();
  endpoint.respond = async (response, { body }) => {
    if (body.includes('slow')) return;
    await answers.promise;
    response.writeHead(200).end();
  };
  const deadline = new AbortController();
  const slow = deliverOne(handler, message('slow'), deadline.signal);
  const other = deliverOne(handler, message('other'));
  await waitUntil('both are there', () => endpoint.received.length === 2);
  deadline.abort(new Error('too late'));
  await assert.rejects(slow, /too late/);
  answers.resolve();
  assert.equal(await other, DELIVERED);
  assert.equal(await deliverOne(handler, message('next')), DELIVERED);
  await waitUntil('the first connection ends', () => endpoint.sockets.size === 1);
});

test('a request whose deadline passes while it waits for a connection never leaves', async (t) => {
  const one = { maxConcurrentStreams: 1 };
  const { endpoint, handler } = await setUp(t, one, { ...TWO, maxConnections: 1, sendOnlyMsgPayload: true });
  const first = Promise.withResolvers<void>();
  endpoint.respond = async (response, { body }) => {
    if (body.includes('first')) await first.promise;
    response.writeHead(200).end();
  };
  const sending = deliverOne(handler, message('first'));
  await waitUntil('the first is there', () => endpoint.received.length === 1);
  const deadline = new AbortController();
  const waiting = deliverOne(handler, message('second'), deadline.signal);
  deadline.abort(new Error('too late'));
  await assert.rejects(waiting, /too late/);
  first.resolve();
  assert.equal(await sending, DELIVERED);
  assert.equal(await deliverOne(handler, message('third')), DELIVERED);
  await waitUntil('the old connection ends', () => endpoint.sockets.size === 1);
  assert.deepEqual(bodies(endpoint), ['first', 'third']);
});

/** The stream of an answer over HTTP/2. */
const streamOf = (response: object) => (response as { readonly stream: ServerHttp2Stream }).stream;

test('a request that is reset is a lost connection, and is not sent twice', async (t) => {
  const { endpoint, handler } = await setUp(t, {}, TWO);
  await deliverMany(handler, 1);
  endpoint.respond = (response) => streamOf(response).close(8);
  assert.equal((await failureOf(handler)).failureClass, FailureClass.DISCONNECTED);
  assert.equal(endpoint.received.length, 2);
  endpoint.respond = slowly;
  await deliverMany(handler, 10);
});

test('requests whose connection dies without an answer leave once more by a new one, if it had served', async (t) => {
  const { endpoint, handler } = await setUp(t, {}, { ...TWO, sendOnlyMsgPayload: true });
  const cut: Respond = () => {
    for (const socket of endpoint.sockets) socket.destroy();
  };
  endpoint.respond = cut;
  assert.equal((await failureOf(handler)).failureClass, FailureClass.DISCONNECTED);
  assert.equal(endpoint.received.length, 1);

  endpoint.respond = slowly;
  await deliverMany(handler, 1);
  endpoint.received.length = 0;
  const first = [...endpoint.sockets];
  endpoint.respond = (response, request) => {
    if (endpoint.received.length < 10) return;
    if (endpoint.received.length === 10) return cut(response, request);
    return slowly(response, request);
  };
  await deliverMany(handler, 10);
  assert.equal(endpoint.received.length, 20);
  assert.equal(new Set(bodies(endpoint)).size, 10);
  assert.ok(first.every((socket) => !endpoint.sockets.has(socket)));

  endpoint.received.length = 0;
  endpoint.respond = cut;
  assert.equal((await failureOf(handler)).failureClass, FailureClass.DISCONNECTED);
  assert.equal(endpoint.received.length, 2);
});

const ENDS: Readonly<Record<string, (response: object) => void>> = {
  'its connection': (response) => streamOf(response).session?.socket.destroy(),
  'its session': (response) => streamOf(response).session?.destroy(undefined, 2),
};

for (const [what, end] of Object.entries(ENDS))
  for (const policy of [{ strategy: 'SKIP_ALL' }, { strategy: 'RETRY_ALL', retries: 1 }] as const)
    test(`a message that costs ${what} costs no other one on it a try (${policy.strategy})`, async (t) => {
      const { endpoint, config } = await setUp(t, {}, { ...TWO, sendOnlyMsgPayload: true });
      endpoint.respond = (response, { body }) => {
        // The others are on it by then.
        if (body.toString() === 'bad') setTimeout(() => end(response), 5);
        else setTimeout(() => response.writeHead(200).end(), 20);
      };
      const { told, take, settled } = await engine(t, { case: 'http', value: config }, {}, policy);
      const good = Array.from({ length: 40 }, (_, i) => `m${i}`);
      for (const [i, payload] of good.entries()) {
        if (i === 10) await take(outbound('bad', 0, 'bad'));
        await take(outbound(payload, 0, payload));
      }
      await settled();
      assert.deepEqual(told.delivered.toSorted(), good.toSorted());
      assert.deepEqual([...told.givenUp.keys()], ['bad']);
    });

test('interim answers are skipped, and behind a status the status decides', async (t) => {
  const { endpoint, handler } = await setUp(t, {}, TWO);
  const interim = (response: object) => {
    for (const status of [100, 102, 103]) streamOf(response).additionalHeaders({ ':status': status });
  };
  const answers: readonly Respond[] = [
    (response) => response.writeHead(200).end('ok'),
    (response) => {
      response.writeHead(200).write('some');
      setTimeout(() => streamOf(response).close(2), 20);
    },
    (response) => {
      response.writeHead(200).write('some');
      setTimeout(() => response.socket?.destroy(), 20);
    },
    (response) => response.writeHead(200, { 'content-length': '50' }).end('short'),
  ];
  for (const [i, respond] of answers.entries()) {
    endpoint.respond = (response, request) => {
      interim(response);
      respond(response, request);
    };
    assert.equal(await deliverOne(handler, message('x')), DELIVERED, `${i}`);
    assert.equal(endpoint.received.length, i + 1);
  }
});

test('an endpoint that says goodbye after some requests loses none', async (t) => {
  const { endpoint, handler } = await setUp(t, {}, TWO);
  endpoint.respond = (response) => {
    response.writeHead(200).end();
    const { session } = (response as never as { stream: { session?: { close(): void } } }).stream;
    if (endpoint.received.length % 20 === 0) session?.close();
  };
  await deliverMany(handler, 300);
  assert.equal(endpoint.received.length, 300);
});

test('disposing ends old connections, too', async (t) => {
  const { endpoint, handler } = await setUp(t, {}, TWO);
  endpoint.respond = () => {};
  const deadline = new AbortController();
  const slow = deliverOne(handler, message('slow'), deadline.signal);
  const other = deliverOne(handler, message('other'));
  await waitUntil('both are there', () => endpoint.received.length === 2);
  deadline.abort(new Error('too late'));
  await assert.rejects(slow, /too late/);
  await handler[Symbol.asyncDispose]();
  const outcome = await other;
  assert.ok(!outcome.delivered && outcome.failureClass === FailureClass.DISCONNECTED);
  await waitUntil('no connection is left', () => endpoint.sockets.size === 0);
});
