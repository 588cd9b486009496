import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import type { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { failed } from '../../src/rpc/error.ts';
import type { Handlers } from '../../src/rpc/service.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { BROKEN_HOSTS, rawRequest } from '../helpers/raw-http.ts';
import { INTEGRATION, rpcServerForTests, SECRET_TEXT } from '../helpers/rpc-server.ts';
import { waitUntil } from '../helpers/wait-until.ts';

type Watch = Handlers<typeof IntegrationService>['watchIntegrations'];

const ID = '6f3c1f0e-8b0a-4e57-9c5b-0f6f2f5c9a11';

/** Calls a method of IntegrationService as curl would. */
async function post(url: string, method: string, body: string) {
  const response = await fetch(`${url}/penstock.v1.IntegrationService/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  return { status: response.status, body: JSON.parse(await response.text()) };
}

/** An empty message, as a stream takes it. */
const EMPTY_FRAME = Buffer.from([0, 0, 0, 0, 2, ...Buffer.from('{}')]);

const create = (integration: object) => JSON.stringify({ integration });
const valid = { name: 'to http', topic_filters: ['a'], http: { rest_endpoint_url: 'http://a/' } };

test('a method is called with JSON, in either spelling of the names', async (t) => {
  const { url } = await rpcServerForTests(t);
  const expected = {
    name: 'to http',
    topicFilters: ['sensors/#'],
    http: { restEndpointUrl: 'http://127.0.0.1:9999/in' },
  };
  const camel = { name: 'to http', topicFilters: ['a'], http: { restEndpointUrl: 'http://a/' } };
  for (const integration of [valid, camel]) {
    assert.deepEqual(await post(url, 'CreateIntegration', create(integration)), {
      status: 200,
      body: { integration: expected },
    });
  }
});

test('an invalid request is refused with the paths, readable in message and details', async (t) => {
  const { url } = await rpcServerForTests(t);
  const { status, body } = await post(url, 'CreateIntegration', create({ ...valid, topic_filters: ['a+'] }));
  assert.equal(status, 400);
  assert.equal(body.code, 'invalid_argument');
  assert.match(body.message, /^integration\.topic_filters\[0\]: must be an MQTT topic filter/);
  assert.equal(body.details[0].type, 'google.rpc.BadRequest');
  assert.equal(body.details[0].debug.fieldViolations[0].field, 'integration.topic_filters[0]');
});

test('errors have the status of their code, and tell no more than they should', async (t) => {
  const { url, logged } = await rpcServerForTests(t);
  const missing = await post(url, 'GetIntegration', JSON.stringify({ id: ID }));
  assert.equal(missing.status, 404);
  assert.equal(missing.body.message, `integration ${ID} is not known`);
  assert.equal(missing.body.details[0].debug.reason, 'NOT_FOUND');
  const broken = await post(url, 'ListIntegrations', '{}');
  assert.equal(broken.status, 500);
  assert.deepEqual(broken.body, { code: 'internal', message: 'internal error' });
  assert.equal(logged.length, 1);
  assert.ok(logged[0]?.includes(SECRET_TEXT));
});

test('what is no JSON, misspelt or too large is refused', async (t) => {
  const { url } = await rpcServerForTests(t);
  assert.equal((await post(url, 'CreateIntegration', '{')).status, 400);
  const misspelt = await post(url, 'CreateIntegration', create({ ...valid, enabld: true }));
  assert.equal(misspelt.status, 400);
  assert.match(
    misspelt.body.message,
    /^integration\.enabld: there is no such field; did you mean enabled\?$/,
  );
  const large = await post(url, 'CreateIntegration', create({ ...valid, description: 'x'.repeat(5 << 20) }));
  assert.equal(large.body.code, 'resource_exhausted');
});

test('all that is wrong with the JSON of a request is told at once, with its paths', async (t) => {
  const called: unknown[] = [];
  const { url } = await rpcServerForTests(t, {
    createIntegration: (request) => {
      called.push(request);
      return {};
    },
  });
  const http = { rest_endpint_url: 'http://a/', request_method: 'PSOT', read_timeout: 5 };
  const { status, body } = await post(
    url,
    'CreateIntegration',
    create({ name: 'n', topic_filters: ['a+'], http }),
  );
  assert.deepEqual(
    [status, body.code, body.details[0].type],
    [400, 'invalid_argument', 'google.rpc.BadRequest'],
  );
  const { fieldViolations } = body.details[0].debug;
  assert.deepEqual(
    fieldViolations.map(({ field, reason }: Record<string, string>) => [field, reason]),
    [
      ['integration.http.rest_endpint_url', 'UNKNOWN_FIELD'],
      ['integration.http.request_method', 'UNKNOWN_VALUE'],
      ['integration.http.read_timeout', 'WRONG_TYPE'],
      ['integration.topic_filters[0]', 'INTEGRATION_TOPIC_FILTERS'],
    ],
  );
  assert.match(
    body.message,
    /^integration\.http\.rest_endpint_url: there is no such field; did you mean rest_endpoint_url\?; /,
  );
  assert.deepEqual(called, []);
});

test('the JSON of a request is read alike in a query, compressed, and of a stream', async (t) => {
  const { url } = await rpcServerForTests(t);
  const service = `${url}/penstock.v1.IntegrationService`;
  const filter = '{"filter":{"txt":"a"}}';
  const told = /filter\.txt: there is no such field; did you mean text\?/;
  const query = `connect=v1&encoding=json&message=${encodeURIComponent(filter)}`;
  const got = await fetch(`${service}/ListIntegrations?${query}`);
  assert.equal(got.status, 400);
  assert.match(await got.text(), told);
  const compressed = await fetch(`${service}/ListIntegrations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
    body: new Uint8Array(gzipSync(filter)),
  });
  assert.equal(compressed.status, 400);
  assert.match(await compressed.text(), told);
  const stream = await fetch(`${service}/WatchIntegrations`, {
    method: 'POST',
    headers: { 'content-type': 'application/connect+json' },
    body: new Uint8Array([0, 0, 0, 0, filter.length, ...Buffer.from(filter)]),
  });
  const text = await stream.text();
  assert.match(text, told);
  assert.match(text, /"code":"invalid_argument".*"type":"google\.rpc\.BadRequest"/);
});

test('a request that cannot be read does not bring its secrets back', async (t) => {
  const { url } = await rpcServerForTests(t);
  for (const password of ['4242424242', '[4242424242]', 'x4242424242', '"4242424242']) {
    const text = `{"integration":{"http":{"credentials":{"basic":{"password":${password}}}}}}`;
    const { status, body } = await post(url, 'CreateIntegration', text);
    assert.equal(status, 400);
    assert.doesNotMatch(JSON.stringify(body), /4242/);
  }
});

test('bytes that are no protobuf message are refused as such', async (t) => {
  const { url } = await rpcServerForTests(t, {
    updateIntegration: () => {
      throw new Error('parse binary: of another kind');
    },
  });
  const call = (method: string, type: string, body: Buffer) =>
    fetch(`${url}/penstock.v1.IntegrationService/${method}`, {
      method: 'POST',
      headers: { 'content-type': type },
      body: new Uint8Array(body),
    });
  const unary = await call('CreateIntegration', 'application/proto', Buffer.from([0x0a, 0xff, 0xff, 0x01]));
  assert.equal(unary.status, 400);
  const { code, message } = (await unary.json()) as { code: string; message: string };
  assert.equal(code, 'invalid_argument');
  assert.match(message, /^parse binary: /);
  const query = 'encoding=proto&base64=1&message=Cv__AQ';
  const got = await fetch(`${url}/penstock.v1.IntegrationService/GetIntegration?connect=v1&${query}`);
  assert.equal(got.status, 400);
  const stream = await call(
    'WatchIntegrations',
    'application/connect+proto',
    Buffer.from([0, 0, 0, 0, 2, 0x0a, 0xff]),
  );
  assert.match(await stream.text(), /"code":"invalid_argument","message":"parse binary: /);
  const failing = await call('UpdateIntegration', 'application/json', Buffer.from('{}'));
  assert.deepEqual([failing.status, ((await failing.json()) as { code: string }).code], [500, 'internal']);
});

test('a stream is served over HTTP and ends with its error', async (t) => {
  const { url } = await rpcServerForTests(t, {
    watchIntegrations: async function* () {
      yield { deleted: true };
      throw new Error(SECRET_TEXT);
    },
  });
  const response = await fetch(`${url}/penstock.v1.IntegrationService/WatchIntegrations`, {
    method: 'POST',
    headers: { 'content-type': 'application/connect+json' },
    body: EMPTY_FRAME,
  });
  const text = await response.text();
  assert.match(text, /\{"deleted":true\}/);
  assert.match(text, /\{"error":\{"code":"internal","message":"internal error"\}\}/);
});

test('a stream over HTTP ends with the code and the details that its handler gave', async (t) => {
  const { url } = await rpcServerForTests(t, {
    watchIntegrations: async function* () {
      yield {};
      throw failed(Code.RESOURCE_EXHAUSTED, 'TOO_MANY_WATCHES', 'too many');
    },
  });
  const response = await fetch(`${url}/penstock.v1.IntegrationService/WatchIntegrations`, {
    method: 'POST',
    headers: { 'content-type': 'application/connect+json' },
    body: EMPTY_FRAME,
  });
  const text = await response.text();
  assert.match(text, /"error":\{"code":"resource_exhausted","message":"too many","details":\[/);
  assert.match(text, /TOO_MANY_WATCHES/);
});

test('who reads nothing for long is cut; who is only sent nothing is not', async (t) => {
  const ended: string[] = [];
  const goOn = Promise.withResolvers<void>();
  const watchIntegrations: Watch = async function* ({ filter }) {
    try {
      yield {};
      if (filter) await goOn.promise;
      else for (;;) yield { integration: { ...INTEGRATION, description: 'x'.repeat(4096) } };
    } finally {
      ended.push(filter ? 'quiet' : 'unread');
    }
  };
  const { url } = await rpcServerForTests(t, { watchIntegrations }, { stallTimeout: 300 });
  const open = (frame: Buffer) => {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    t.after(() => socket.destroy());
    socket.on('error', () => {});
    const head = `POST /penstock.v1.IntegrationService/WatchIntegrations HTTP/1.1\r\nhost: x\r\ncontent-type: application/connect+json\r\ncontent-length: ${frame.length}\r\n\r\n`;
    socket.write(Buffer.concat([Buffer.from(head), frame]));
    return socket;
  };
  const message = Buffer.from('{"filter":{}}');
  const quiet = open(Buffer.from([0, 0, 0, 0, message.length, ...message]));
  await once(quiet, 'data');
  const unread = open(EMPTY_FRAME);
  await once(unread, 'readable');
  await waitUntil('it is cut', () => ended.length > 0);
  assert.deepEqual(ended, ['unread']);
  goOn.resolve();
  await once(quiet, 'data');
  await waitUntil('the other ends in order', () => ended.length === 2);
});

test('metrics are served, other paths are not', async (t) => {
  const { url } = await rpcServerForTests(t);
  const metrics = await fetch(`${url}/metrics`);
  assert.match(metrics.headers.get('content-type') ?? '', /^text\/plain/);
  assert.match(await metrics.text(), /^# HELP penstock_/);
  const encodings = { gzip: true, 'deflate, gzip;q=1.0, *;q=0.5': true, identity: false, 'gzip;q=0': false };
  for (const [encoding, expected] of Object.entries(encodings)) {
    const headers = { 'accept-encoding': encoding };
    const response = await fetch(`${url}/metrics`, { headers });
    assert.equal(response.headers.get('content-encoding') === 'gzip', expected, encoding);
    assert.match(await response.text(), /# TYPE penstock_integration_lag gauge/);
  }
  const head = await fetch(`${url}/metrics`, { method: 'HEAD' });
  assert.deepEqual([head.status, await head.text()], [200, '']);
  for (const path of ['/', '/metrics/x', '/../etc/passwd'])
    assert.equal((await fetch(url + path)).status, 404);
  assert.equal((await fetch(`${url}/metrics`, { method: 'POST' })).status, 404);
});

test('stopping closes connections that are kept alive', async (t) => {
  const clock = { ...systemClock, setTimer: () => () => {} }; // the time that it gives to what is under way never ends
  const { server, url } = await rpcServerForTests(t, {}, { clock });
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  t.after(() => socket.destroy());
  socket.write('GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n');
  await once(socket, 'data');
  socket.resume();
  const closed = once(socket, 'close');
  await server[Symbol.asyncDispose]();
  await closed;
});

test('a request whose host is broken or missing is refused, whatever it asks for', async (t) => {
  const { server, url } = await rpcServerForTests(t);
  for (const path of [
    '/penstock.v1.IntegrationService/CreateIntegration',
    '/penstock.v1.IntegrationService/CreateIntegration?x',
    '/metrics',
    '/',
  ]) {
    for (const [version, ...lines] of BROKEN_HOSTS) {
      const head = [`POST ${path} ${version}`, ...lines, 'content-type: application/json'];
      const answer = await rawRequest(server.httpAddress, head, create(valid));
      assert.match(answer, /^HTTP\/1\.1 400 /, JSON.stringify([path, version, ...lines]));
    }
  }
  assert.equal((await post(url, 'CreateIntegration', create(valid))).status, 200);
});

test('a load balancer may ask for the health without naming a host', async (t) => {
  const { server } = await rpcServerForTests(t);
  for (const path of ['/health/live', '/health/ready']) {
    assert.match(await rawRequest(server.httpAddress, [`GET ${path} HTTP/1.0`]), /^HTTP\/1\.1 200 /);
  }
});

test('why a node is not ready is told only to who may call everything else', async (t) => {
  const { server } = await rpcServerForTests(
    t,
    {},
    {
      readiness: { problems: () => [{ name: 'kafka', reason: 'kafka.inner:9092 is away' }], onChange() {} },
      warnings: { all: () => ['a topic has one replica'] },
      httpHosts: ['penstock.example.com'],
    },
  );
  const ask = async (...lines: string[]) => {
    const [head = '', body] = (await rawRequest(server.httpAddress, lines)).split('\r\n\r\n', 2);
    assert.match(head, /^HTTP\/1\.1 503 /);
    return body;
  };
  const get = 'GET /health/ready HTTP/1.1';
  const whole = 'not ready\nkafka: kafka.inner:9092 is away\nwarning: a topic has one replica\n';
  for (const host of ['127.0.0.1', 'penstock', 'penstock.example.com']) {
    assert.ok((await ask(get, `host: ${host}`))?.includes(whole), host);
  }
  for (const lines of [
    [get, 'host: evil.example'],
    [get, 'host: 127.0.0.1', 'origin: http://evil.example'],
    ['GET /health/ready HTTP/1.0'],
  ]) {
    const body = await ask(...lines);
    assert.ok(body?.includes('not ready\n') && !body.includes('kafka'), lines.join());
  }
});

test('what the listener throws is answered and logged', async (t) => {
  let up = false;
  const { server, url, logged } = await rpcServerForTests(
    t,
    {},
    {
      readiness: {
        problems: (service) => {
          if (service === undefined && up) throw new Error(SECRET_TEXT);
          return [];
        },
        onChange: () => {},
      },
    },
  );
  up = true;
  const response = await fetch(`${url}/health/ready`);
  up = false;
  assert.deepEqual([response.status, await response.text()], [500, 'internal error: see the log\n']);
  assert.ok(logged.some((line) => line.includes(SECRET_TEXT)));
  assert.match(await rawRequest(server.httpAddress, ['GET /health/live HTTP/1.0']), /^HTTP\/1\.1 200 /);
});

test('a page that has its name point here is refused, and told how it would be allowed', async (t) => {
  const { server } = await rpcServerForTests(
    t,
    {},
    { httpHosts: ['Penstock.example.com', 'bücher.example:8080'] },
  );
  const ask = async (path: string, ...headers: string[]) => {
    const head = [`POST ${path} HTTP/1.1`, ...headers, 'content-type: application/json'];
    const answer = await rawRequest(server.httpAddress, head, create(valid));
    return { status: Number(answer.slice(9, 12)), body: answer.split('\r\n\r\n')[1] ?? '' };
  };
  const rpc = '/penstock.v1.IntegrationService/CreateIntegration';
  for (const host of [
    'evil.example',
    'evil.example:8080',
    '127.0.0.1.evil.example',
    'penstock.example.com.evil',
  ]) {
    for (const path of [rpc, '/metrics', '/']) {
      const { status, body } = await ask(path, `host: ${host}`);
      assert.equal(status, 421, `${host}${path}`);
      assert.match(JSON.parse(body).message, /add \S+ to PENSTOCK_HTTP_HOSTS$/);
    }
  }
  for (const host of [
    '127.0.0.1',
    '127.0.0.1:8080',
    '[::1]:8080',
    'localhost:1',
    'penstock',
    'PENSTOCK.example.com:80',
    'xn--bcher-kva.example',
  ]) {
    assert.equal((await ask(rpc, `host: ${host}`)).status, 200, host);
  }
  assert.match(
    await rawRequest(server.httpAddress, ['GET /health/live HTTP/1.1', 'host: pod.example']),
    / 200 /,
  );
});

test('a page of another origin is refused', async (t) => {
  const { server } = await rpcServerForTests(t, {}, { httpHosts: ['ui.example.com'] });
  const status = async (host: string, origin: string) => {
    const head = ['POST /penstock.v1.IntegrationService/CreateIntegration HTTP/1.1', `host: ${host}`];
    const headers = [...head, `origin: ${origin}`, 'content-type: application/json'];
    return Number((await rawRequest(server.httpAddress, headers, create(valid))).slice(9, 12));
  };
  for (const [host, origin] of [
    ['localhost:8080', 'http://localhost:8080'],
    ['localhost', 'https://localhost'],
    ['127.0.0.1:80', 'http://127.0.0.1'],
    ['ui.example.com', 'https://ui.example.com'],
    ['penstock:8080', 'https://ui.example.com'],
  ] as const) {
    assert.equal(await status(host, origin), 200, `${origin} calls ${host}`);
  }
  for (const [host, origin] of [
    ['localhost:8080', 'http://localhost:3000'],
    ['127.0.0.1:8080', 'http://localhost:8080'],
    ['127.0.0.1:8080', 'http://192.168.1.5:8080'],
    ['127.0.0.1:8080', 'http://evil.example'],
    ['ui.example.com', 'https://evil.example'],
    ['127.0.0.1:8080', 'null'],
    ['127.0.0.1:8080', 'http://'],
  ] as const) {
    assert.equal(await status(host, origin), 403, `${origin} calls ${host}`);
  }
});

test('nothing that comes over the HTTP port ends the process', async (t) => {
  const { server, url } = await rpcServerForTests(t);
  const rpc = 'POST /penstock.v1.IntegrationService/CreateIntegration HTTP/1.1';
  const json = ['host: a', 'content-type: application/json'];
  for (const [status, ...head] of [
    [200, rpc, ...json, 'expect: 100-continue'],
    [417, rpc, ...json, 'expect: the unexpected'],
    [200, rpc, ...json, 'connection: upgrade', 'upgrade: h2c'],
    [404, 'GET / HTTP/1.1', 'host: a', 'connection: upgrade', 'upgrade: websocket'],
    [404, 'POST http://[/penstock.v1.IntegrationService/CreateIntegration HTTP/1.1', ...json],
    [404, 'OPTIONS * HTTP/1.1', ...json],
    [400, rpc, ...json, 'x: \x00'],
    [400, rpc, ...json, 'transfer-encoding: chunked'],
    [400, '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    [400, 'PRI * HTTP/2.0', '', 'SM'],
  ] as const) {
    const answer = await rawRequest(server.httpAddress, head, create(valid));
    assert.match(answer, new RegExp(`^(HTTP/1\\.1 100 [^]*)?HTTP/1\\.1 ${status} `), JSON.stringify(head));
  }
  assert.equal(await rawRequest(server.httpAddress, ['CONNECT a:1 HTTP/1.1', 'host: a']).catch(() => ''), '');
  assert.equal((await post(url, 'CreateIntegration', create(valid))).status, 200);
});
