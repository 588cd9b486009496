import assert from 'node:assert/strict';
import type { ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { HttpBatchFormat, HttpVersion } from '../../gen/penstock/v1/http_pb.ts';
import { PayloadContentType } from '../../gen/penstock/v1/payload_pb.ts';
import { DELIVERED, type Outcome } from '../../src/executor/handlers/handler.ts';
import { serverCertificate } from '../helpers/certificates.ts';
import { engine } from '../helpers/engine.ts';
import { bound, contextOf, never } from '../helpers/handler.ts';
import { answer, httpEndpoint, type Respond, reset } from '../helpers/http-endpoint.ts';
import { bodies, deliverTo, type HttpConfig, message } from '../helpers/http-handler.ts';

const { JSON: JSON_TYPE, TEXT, BINARY } = PayloadContentType;
const { NDJSON } = HttpBatchFormat;

const setUp = (t: TestContext, config: HttpConfig = {}) =>
  deliverTo(t, (restEndpointUrl) => ({
    restEndpointUrl,
    sendOnlyMsgPayload: true,
    payloadContentType: JSON_TYPE,
    batching: {},
    ...config,
  }));

const nameOf = (failureClass: FailureClass) =>
  Object.entries(FailureClass).find(([, value]) => value === failureClass)?.[0];
const classes = (outcomes: readonly Outcome[]) =>
  outcomes.map((outcome) => (outcome.delivered ? 'delivered' : nameOf(outcome.failureClass)));
const pack = (...payloads: readonly string[]) => payloads.map((payload, i) => message(payload, {}, i));

test('a pack is one request, a JSON array or a line a message', async (t) => {
  const array = await setUp(t);
  assert.deepEqual(await array.handler.deliver(pack('{"a":1}', '2.50', '"x"'), never), [
    DELIVERED,
    DELIVERED,
    DELIVERED,
  ]);
  assert.deepEqual(bodies(array.endpoint), ['[{"a":1},2.50,"x"]']);
  assert.equal(array.endpoint.received[0]?.headers['content-type'], 'application/json');

  const lines = await setUp(t, { batching: { format: NDJSON } });
  await lines.handler.deliver(pack('{\r\n  "a": "1\\n2"\n}', '2'), never);
  assert.deepEqual(bodies(lines.endpoint), ['{   "a": "1\\n2" }\n2\n']);
  assert.equal(lines.endpoint.received[0]?.headers['content-type'], 'application/x-ndjson');
});

test('payloads that are no JSON are JSON strings, binary ones in base64', async (t) => {
  const binary = await setUp(t, { payloadContentType: BINARY });
  await binary.handler.deliver([message(Buffer.from([0xff, 0])), message('a')], never);
  assert.deepEqual(bodies(binary.endpoint), ['["/wA=","YQ=="]']);
  const text = await setUp(t, { payloadContentType: TEXT });
  await text.handler.deliver(pack('say "hi"\n', '1'), never);
  assert.deepEqual(bodies(text.endpoint), ['["say \\"hi\\"\\n","1"]']);
});

test('in a batch each envelope is what it is alone', async (t) => {
  const { endpoint, handler } = await setUp(t, { sendOnlyMsgPayload: false });
  const alone = await deliverTo(t, (restEndpointUrl) => ({
    restEndpointUrl,
    payloadContentType: JSON_TYPE,
  }));
  const two = pack('{"a":1}', '2');
  await handler.deliver(two, never);
  await alone.handler.deliver(two, never);
  const singles = alone.endpoint.received.map(({ body }) => JSON.parse(body.toString())).toSorted(byPayload);
  assert.deepEqual(JSON.parse(bodies(endpoint)[0] ?? '').toSorted(byPayload), singles);
});
const byPayload = (a: { payload: unknown }, b: { payload: unknown }) =>
  JSON.stringify(a.payload).localeCompare(JSON.stringify(b.payload));

test('a body template writes each message; one that it cannot write does not spoil the others', async (t) => {
  const { endpoint, handler } = await setUp(t, { bodyTemplate: '{"v": ${payload.v}, "c": "${clientId}"}' });
  const outcomes = await handler.deliver(pack('{"v":1.0}', '{}', '{"v":"\\"x"}'), never);
  assert.deepEqual(classes(outcomes), ['delivered', 'UNENCODABLE', 'delivered']);
  assert.deepEqual(bodies(endpoint), ['[{"v": 1.0, "c": "c"},{"v": "\\"x", "c": "c"}]']);
});

test('nothing is sent when no message of a pack can be written', async (t) => {
  const { endpoint, handler } = await setUp(t, { sendBinaryOnParseFailure: false });
  assert.deepEqual(classes(await handler.deliver(pack('x', '{'), never)), ['UNENCODABLE', 'UNENCODABLE']);
  assert.equal(endpoint.received.length, 0);
});

test('no body is longer than max_bytes, but with a single message', async (t) => {
  for (const format of [HttpBatchFormat.JSON_ARRAY, NDJSON]) {
    const { endpoint, handler } = await setUp(t, { batching: { format, maxBytes: 20 } });
    const payloads = ['"123456"', '"12345678"', '"1"', `"${'x'.repeat(30)}"`, '"ü"', '1', '2', '3', '4'];
    const outcomes = await handler.deliver(pack(...payloads), never);
    assert.ok(outcomes.length === payloads.length && outcomes.every((outcome) => outcome === DELIVERED));
    const sent = bodies(endpoint).map((body) => ({
      bytes: Buffer.byteLength(body),
      items: format === NDJSON ? body.trim().split('\n') : JSON.parse(body).map(JSON.stringify),
    }));
    assert.deepEqual(
      sent.flatMap(({ items }) => items),
      payloads,
    );
    assert.ok(sent.every(({ bytes, items }) => bytes <= 20 || items.length === 1));
    assert.ok(sent.length <= 5, 'as few requests as it takes');
    assert.equal(endpoint.mostAtATime, 1);
  }
  // To the byte.
  const { endpoint, handler } = await setUp(t, { batching: { maxBytes: 9 } });
  await handler.deliver(pack('100', '200', '3', '4', '5', '6', '7'), never);
  assert.deepEqual(bodies(endpoint), ['[100,200]', '[3,4,5,6]', '[7]']);
  endpoint.received.length = 0;
  await handler.deliver(pack('"ü"', '"a"', '"b"', '"c"'), never); // two bytes in UTF-8
  assert.deepEqual(bodies(endpoint), ['["ü"]', '["a","b"]', '["c"]']);
});

test('a batch that is refused may be so for any of its messages; other failures are its own', async (t) => {
  const { endpoint, handler } = await setUp(t);
  const cases: [Respond, keyof typeof FailureClass, boolean][] = [
    [answer(400), 'REJECTED', true],
    [answer(413), 'TOO_LARGE', true],
    [answer(422), 'REJECTED', true],
    [answer(302), 'REJECTED', false],
    [answer(503), 'UNAVAILABLE', false],
    [answer(429), 'THROTTLED', false],
    [reset, 'DISCONNECTED', false],
  ];
  for (const [respond, failureClass, ofPack] of cases) {
    endpoint.respond = respond;
    const outcomes = await handler.deliver(pack('1', '2'), never);
    assert.deepEqual(classes(outcomes), [failureClass, failureClass]);
    for (const outcome of outcomes) assert.equal(!outcome.delivered && outcome.ofPack === true, ofPack);
  }
  endpoint.respond = answer(400);
  const [alone] = await handler.deliver(pack('1'), never);
  assert.ok(alone && !alone.delivered && !alone.ofPack);
});

const CUT = { isShared: true, isForOne: 'no' } as const;
const cutsOf = (outcomes: readonly Outcome[]) =>
  outcomes.map((outcome) => (outcome.delivered ? 'delivered' : outcome.cut));

test('a connection that is lost before an answer is told of a batch, not of a single message or where there was none', async (t) => {
  const { endpoint, handler } = await setUp(t);
  const partly: Respond = (response) => {
    response.socket?.write('HTTP/1.1 2');
    setTimeout(() => response.socket?.destroy(), 20);
  };
  const ends: readonly Respond[] = [reset, (response) => response.socket?.end(), partly];
  for (const end of ends) {
    endpoint.respond = end;
    assert.deepEqual(cutsOf(await handler.deliver(pack('1', '2', '3'), never)), [CUT, CUT, CUT]);
    assert.deepEqual(cutsOf(await handler.deliver(pack('1'), never)), [undefined]);
  }
  endpoint.respond = (response) => {
    response.writeHead(503).write('so');
    setTimeout(() => response.socket?.destroy(), 20);
  };
  assert.deepEqual(cutsOf(await handler.deliver(pack('1', '2'), never)), [undefined, undefined]);
  await endpoint.stop();
  assert.deepEqual(cutsOf(await handler.deliver(pack('1', '2'), never)), [undefined, undefined]);
});

/** The stream of an answer over HTTP/2. */
const streamOf = (response: object) => (response as { readonly stream: ServerHttp2Stream }).stream;

const CUTS: Readonly<Record<string, readonly [version: HttpVersion, cut: (response: object) => unknown]>> = {
  'its connection': [
    HttpVersion.HTTP_VERSION_1_1,
    (response) => (response as { readonly socket: Socket }).socket.destroy(),
  ],
  'its connection of HTTP/2': [
    HttpVersion.HTTP_VERSION_2,
    (response) => streamOf(response).session?.socket.destroy(),
  ],
  'its session of HTTP/2': [
    HttpVersion.HTTP_VERSION_2,
    (response) => streamOf(response).session?.destroy(undefined, 2),
  ],
  'its stream of HTTP/2': [HttpVersion.HTTP_VERSION_2, (response) => streamOf(response).close(2)],
};

for (const [what, [httpVersion, cut]] of Object.entries(CUTS))
  for (const policy of [{ strategy: 'SKIP_ALL' }, { strategy: 'RETRY_ALL', retries: 1 }] as const)
    test(`a message that costs ${what} costs no other one of its batches a try (${policy.strategy})`, async (t) => {
      const shown = await serverCertificate(t, 'valid');
      const endpoint = await httpEndpoint(t, shown, {});
      endpoint.respond = (response, { body }) =>
        body.toString().includes('"bad"') ? cut(response) : response.writeHead(200).end();
      const { told, take, settled } = await engine(
        t,
        {
          case: 'http',
          value: {
            restEndpointUrl: endpoint.url,
            tls: { caCert: shown.ca },
            httpVersion,
            payloadContentType: TEXT,
            sendOnlyMsgPayload: true,
            batching: { maxMessages: 20 },
            // Each batch has a connection of its own, over HTTP/2, too.
            ...(httpVersion === HttpVersion.HTTP_VERSION_2 && { maxParallelRequestsCount: 1 }),
          },
        },
        {},
        policy,
      );
      const good = Array.from({ length: 100 }, (_, i) => `m${i}`);
      for (const [i, payload] of good.entries()) {
        if (i === 50) await take(message('bad', { clientId: 'bad' }));
        await take(message(payload, { clientId: `client ${i}` }));
      }
      await settled();
      assert.deepEqual(told.delivered.toSorted(), good.toSorted());
      assert.deepEqual([...told.givenUp.keys()], ['bad']);
    });

test('of several requests of a pack, each has its own outcome', async (t) => {
  const { endpoint, handler } = await setUp(t, { batching: { maxBytes: 5 } });
  endpoint.respond = (response, { body }) =>
    response.writeHead(body.toString().includes('3') ? 400 : 200).end();
  const outcomes = await handler.deliver(pack('1', '2', '3', '4', '5'), never);
  assert.deepEqual(bodies(endpoint), ['[1,2]', '[3,4]', '[5]']);
  assert.deepEqual(classes(outcomes), ['delivered', 'delivered', 'REJECTED', 'REJECTED', 'delivered']);
});

test('requests of a pack that were answered before its deadline stay delivered', async (t) => {
  const { endpoint, handler } = await setUp(t, { batching: { maxBytes: 1 } });
  const deadline = new AbortController();
  endpoint.respond = (response) => {
    if (endpoint.received.length === 1) response.writeHead(200).end();
    else deadline.abort(new Error('its time is over'));
  };
  const outcomes = await handler.deliver(pack('1', '2', '3'), deadline.signal);
  assert.deepEqual(classes(outcomes), ['delivered', 'TIMEOUT', 'TIMEOUT']);
  assert.equal(endpoint.received.length, 2);
});

test('behind a message that failed, its lane waits for the next pack; others do not', async (t) => {
  const { endpoint, handler } = await setUp(t, { batching: { maxBytes: 1 } });
  const respond: Respond = (...call) => answer(endpoint.received.length === 1 ? 503 : 200)(...call);
  endpoint.respond = respond;
  const mixed = ['a', 'b', 'a', null, 'a'].map((key, i) => message(`${i}`, {}, i, key));
  const outcomes = await handler.deliver(mixed, never);
  assert.deepEqual(
    outcomes.map((outcome) => (outcome.delivered ? 'delivered' : outcome.isHeld ? 'held' : 'failed')),
    ['failed', 'delivered', 'held', 'delivered', 'held'],
  );
  assert.equal(endpoint.received.length, 3);
});

test('one that cannot be written costs a batch that is refused none of its other messages', async (t) => {
  const endpoint = await httpEndpoint(t);
  endpoint.respond = (response, { body }) =>
    response.writeHead(body.toString().includes('13') ? 422 : 200).end();
  const { told, take, settled } = await engine(t, {
    case: 'http',
    value: {
      restEndpointUrl: endpoint.url,
      sendOnlyMsgPayload: true,
      payloadContentType: JSON_TYPE,
      sendBinaryOnParseFailure: false,
      batching: { maxMessages: 20 },
    },
  });
  const payloads = [...Array.from({ length: 19 }, (_, i) => `${i}`), 'no JSON'];
  for (const [i, payload] of payloads.entries()) {
    await take(message(payload, { clientId: `client ${i}` }));
  }
  await settled();
  assert.deepEqual([...told.givenUp.keys()].toSorted(), ['13', 'no JSON']);
});

test('a batch has a key of its messages together, and the most hops of all', async (t) => {
  const { endpoint, handler } = await setUp(t, { idempotencyKeyHeader: 'X-Key' });
  const id = Buffer.from('0195b8e3f8a67d9c8a3be0c1f2d4a596', 'hex');
  const [one, two, three] = [message('1', { id }, 5), message('2', { hopCount: 3 }, 6), message('3', {}, 7)];
  for (const pack of [[one], [one, two], [one, two], [one, two, three], [two, three]]) {
    await handler.deliver(pack, never);
  }
  const keys = endpoint.received.map(({ headers }) => headers['x-key']);
  assert.equal(keys[0], '0195b8e3-f8a6-7d9c-8a3b-e0c1f2d4a596', 'of one message, its own');
  assert.equal(keys[1], keys[2]);
  assert.equal(new Set(keys).size, 4, 'with others it is another batch: the endpoint must not drop it');
  assert.equal(endpoint.received[1]!.headers['penstock-hops'], '4');
});

test('packs are as large as configured, and as many as fill the window', () => {
  const of = (value: HttpConfig, maxInFlight = 1000) => {
    const type = bound({ case: 'http', value: { restEndpointUrl: 'http://127.0.0.1/', ...value } });
    return { ...type.pack(), parallel: type.create(contextOf({ maxInFlight })).parallel };
  };
  const runs = 'within';
  const usual = { maxMessages: 100, maxBytes: 524_288, maxWait: 0, runs, parallel: 10 };
  assert.deepEqual(of({ batching: {} }), usual);
  const batching = { maxMessages: 300, maxBytes: 1001, maxWait: durationFromMs(250) };
  assert.deepEqual(of({ batching }), { maxMessages: 300, maxBytes: 501, maxWait: 250, runs, parallel: 4 });
  assert.equal(of({ batching: {} }, 64).parallel, 1);
  assert.equal(of({ batching: {}, maxParallelRequestsCount: 7 }).parallel, 7);
  assert.equal(of({ batching: {}, maxConnections: 3 }).parallel, 3);
  assert.deepEqual(of({}), { maxMessages: 1, maxBytes: Number.POSITIVE_INFINITY, parallel: 1000 });
});
