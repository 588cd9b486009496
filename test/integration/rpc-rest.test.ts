import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type DescMessage, type MessageShape, toJson } from '@bufbuild/protobuf';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { AuthService } from '../../gen/penstock/v1/auth_service_pb.ts';
import {
  CheckConnectionRequestSchema,
  CreateIntegrationRequestSchema,
  DeleteIntegrationRequestSchema,
  EnableIntegrationRequestSchema,
  GetIntegrationRequestSchema,
  type IntegrationService,
  ListIntegrationsRequestSchema,
  UpdateIntegrationRequestSchema,
  WatchIntegrationsRequestSchema,
} from '../../gen/penstock/v1/integration_service_pb.ts';
import { failed } from '../../src/rpc/error.ts';
import { type Handlers, rpcService } from '../../src/rpc/service.ts';
import { rawRequest } from '../helpers/raw-http.ts';
import { INTEGRATION, rpcServerForTests, SECRET_TEXT } from '../helpers/rpc-server.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const ID = '6f3c1f0e-8b0a-4e57-9c5b-0f6f2f5c9a11';
const ONE = `/api/v1/integrations/${ID}`;
const ALL = '/api/v1/integrations';

/** A server whose handlers keep the requests that they are called with, as JSON. */
async function recording(t: TestContext, handlers: Partial<Handlers<typeof IntegrationService>> = {}) {
  const asked: unknown[] = [];
  const keep =
    <D extends DescMessage>(schema: D) =>
    (request: MessageShape<D>): object => {
      asked.push(toJson(schema, request));
      return {};
    };
  const { url, server, logged } = await rpcServerForTests(t, {
    createIntegration: keep(CreateIntegrationRequestSchema),
    getIntegration: keep(GetIntegrationRequestSchema),
    listIntegrations: keep(ListIntegrationsRequestSchema),
    updateIntegration: keep(UpdateIntegrationRequestSchema),
    deleteIntegration: keep(DeleteIntegrationRequestSchema),
    enableIntegration: keep(EnableIntegrationRequestSchema),
    checkConnection: keep(CheckConnectionRequestSchema),
    ...handlers,
  });
  const call = async (method: string, path: string, body?: unknown, headers: object = {}) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const response = await fetch(url + path, {
      method,
      headers: { ...(text !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(text !== undefined && { body: text }),
    });
    const answer = await response.text();
    return { status: response.status, body: answer === '' ? undefined : JSON.parse(answer), response };
  };
  /** What the handler was asked by this call, which it must have been. */
  const asks = async (...args: Parameters<typeof call>) => {
    asked.length = 0;
    const { status, body } = await call(...args);
    assert.equal(status, 200, JSON.stringify(body));
    return asked[0];
  };
  /** Why this call did not come to the handler: path and reason of each violation. */
  const refused = async (...args: Parameters<typeof call>) => {
    asked.length = 0;
    const { status, body } = await call(...args);
    assert.deepEqual([status, body.code, asked], [400, 'invalid_argument', []], JSON.stringify(body));
    assert.equal(body.details[0].type, 'google.rpc.BadRequest');
    return body.details[0].debug.fieldViolations.map(({ field, reason }: Record<string, string>) => [
      field ?? '',
      reason,
    ]);
  };
  return { asks, refused, call, asked, url, server, logged };
}

const valid = { name: 'to http', topic_filters: ['a'], http: { rest_endpoint_url: 'http://a/' } };
const VALID = { name: 'to http', topicFilters: ['a'], http: { restEndpointUrl: 'http://a/' } };

test('what a path, a query and a body say comes to the handler as one request', async (t) => {
  const { asks } = await recording(t);
  assert.deepEqual(await asks('GET', ONE), { id: ID });
  assert.deepEqual(await asks('DELETE', `${ONE}?etag=a%20b+c%2B`), { id: ID, etag: 'a b c+' });
  assert.deepEqual(await asks('POST', ALL, valid), { integration: VALID });
  assert.deepEqual(await asks('POST', `${ALL}?validate_only=true&requestId=${ID}`, valid), {
    integration: VALID,
    requestId: ID,
    validateOnly: true,
  });
  assert.deepEqual(await asks('POST', `${ONE}:enable`), { id: ID });
  assert.deepEqual(await asks('POST', `${ONE}:enable`, {}), { id: ID });
  assert.deepEqual(await asks('POST', `${ONE}:enable`, { id: ID }), { id: ID });
  assert.deepEqual(await asks('POST', `${ONE}:check`), { id: ID });
  assert.deepEqual(await asks('POST', `${ALL}:check`, { integration: valid }), { integration: VALID });
  assert.deepEqual(await asks('POST', ALL, valid, { 'content-type': 'application/json; charset=UTF-8' }), {
    integration: VALID,
  });
});

test('a query reaches into messages and lists, by the names of the schema or of JSON', async (t) => {
  const { asks } = await recording(t);
  const types = 'filter.types=INTEGRATION_TYPE_HTTP&filter.types=INTEGRATION_TYPE_MQTT';
  assert.deepEqual(await asks('GET', `${ALL}?page_size=7&filter.text=caf%C3%A9&${types}`), {
    pageSize: 7,
    filter: { text: 'café', types: ['INTEGRATION_TYPE_HTTP', 'INTEGRATION_TYPE_MQTT'] },
  });
  assert.deepEqual(await asks('GET', `${ALL}?filter.labels[a.b/c]=x=y&filter.labels%5Bteam%5D=`), {
    filter: { labels: { 'a.b/c': 'x=y', team: '' } },
  });
  assert.deepEqual(await asks('GET', `${ALL}?pageSize=7&pageToken=a=b&`), { pageSize: 7, pageToken: 'a=b' });
  assert.deepEqual(await asks('GET', `${ALL}?`), {});
});

test('a change without a mask changes what its body has, and nothing else', async (t) => {
  const { asks, refused } = await recording(t);
  const mask = async (body: object, query = '') => {
    const { integration, updateMask } = (await asks('PATCH', ONE + query, body)) as Record<
      string,
      { id: string }
    >;
    assert.equal(integration?.id, ID);
    return updateMask;
  };
  assert.equal(await mask({ name: 'b' }), 'name');
  assert.equal(
    await mask({ http: { read_timeout: '5s', headers: { a: 'b' }, credentials: { anonymous: {} } } }),
    'http.readTimeout,http.headers,http.credentials.anonymous',
  );
  assert.equal(await mask({ topicFilters: ['a'], description: null }), 'topicFilters,description');
  // An answer with something changed in it.
  const answer = {
    ...VALID,
    id: ID,
    etag: 'e',
    generation: '3',
    status: {},
    createTime: '2030-01-31T12:00:00Z',
  };
  assert.equal(await mask(answer), 'name,topicFilters,http.restEndpointUrl');
  assert.equal(await mask({ name: 'b' }, '?update_mask=http.read_timeout,name'), 'http.readTimeout,name');
  assert.equal(await mask({}, '?updateMask=description'), 'description');
  const nothing = [['update_mask', 'NOTHING_TO_CHANGE']];
  assert.deepEqual(await refused('PATCH', ONE, {}), nothing);
  assert.deepEqual(await refused('PATCH', ONE), nothing);
  assert.deepEqual(await refused('PATCH', ONE, { etag: 'e', id: ID }), nothing);
  assert.deepEqual(await refused('PATCH', `${ONE}?update_mask=`, { name: 'b' }), nothing);
  assert.deepEqual(await refused('PATCH', ONE, { nme: 'b' }), [
    ['integration.nme', 'UNKNOWN_FIELD'],
    ['update_mask', 'NOTHING_TO_CHANGE'],
  ]);
  assert.deepEqual(await refused('PATCH', ONE, { id: ID.replace('6', '7'), name: 'b' }), [
    ['integration.id', 'PATH_MISMATCH'],
  ]);
});

test('what is no UTF-8 in a path is told', async (t) => {
  const { refused, asks } = await recording(t);
  assert.deepEqual(await refused('GET', '/api/v1/integrations/%ff'), [['', 'MALFORMED_PATH']]);
  assert.deepEqual(await asks('GET', ONE.replace('-', '%2D')), { id: ID });
});

test('what is wrong with a query or a body is told with its path', async (t) => {
  const { refused } = await recording(t);
  const expected: Record<string, string[][]> = {
    'pge_size=1': [['pge_size', 'UNKNOWN_FIELD']],
    'filter.txt=1&x=1': [
      ['filter.txt', 'UNKNOWN_FIELD'],
      ['x', 'UNKNOWN_FIELD'],
    ],
    'page_size=1&page_size=1': [['page_size', 'SET_TWICE']],
    'page_size=1&pageSize=1': [['pageSize', 'SET_TWICE']],
    'page_size=x': [['page_size', 'WRONG_TYPE']],
    'page_size=': [['page_size', 'WRONG_TYPE']],
    'page_size=1001': [['page_size', 'INT32_GTE_LTE']],
    'page_size.x=1': [['page_size.x', 'UNKNOWN_FIELD']],
    'page_size[x]=1': [['page_size[x]', 'UNKNOWN_FIELD']],
    'filter[text]=1': [['filter[text]', 'UNKNOWN_FIELD']],
    'filter.labels=1': [['filter.labels', 'WRONG_TYPE']],
    'filter.labels=1&filter.labels[a]=1': [['filter.labels[a]', 'SET_TWICE']],
    'filter.labels[a]=1&filter.labels[a]=1': [['filter.labels[a]', 'SET_TWICE']],
    'filter.labels[A]=1': [['filter.labels["A"]', 'STRING_PATTERN']],
    'filter=x': [['filter', 'WRONG_TYPE']],
    'filter=x&filter.text=x': [['filter.text', 'SET_TWICE']],
    'filter.types=INTEGRATION_TYPE_HTPT': [['filter.types[0]', 'UNKNOWN_VALUE']],
    'page_token=%ff': [['', 'MALFORMED_QUERY']],
    'page_token=%': [['', 'MALFORMED_QUERY']],
    '__proto__=1': [['__proto__', 'UNKNOWN_FIELD']],
    '__proto__.page_size=1': [['__proto__', 'UNKNOWN_FIELD']],
    'filter.__proto__.text=1': [['filter.__proto__', 'UNKNOWN_FIELD']],
    'constructor.name=1': [['constructor', 'UNKNOWN_FIELD']],
    [`page_token=${'x'.repeat(4097)}`]: [['page_token', 'STRING_MAX_LEN']],
  };
  for (const [query, violations] of Object.entries(expected)) {
    assert.deepEqual(await refused('GET', `${ALL}?${query}`), violations, query);
  }
  assert.deepEqual(await refused('GET', `${ONE}?id=${ID}`), [['id', 'SET_TWICE']]);
  assert.deepEqual(await refused('POST', `${ONE}:enable?id=${ID}`), [['id', 'SET_TWICE']]);
  assert.deepEqual(await refused('POST', `${ONE}:enable?x=1`), [['x', 'NO_QUERY']]);
  assert.deepEqual(await refused('POST', `${ALL}?integration.name=x`, valid), [
    ['integration.name', 'NO_QUERY'],
  ]);
  assert.deepEqual(await refused('POST', `${ONE}:enable`, { id: 'x' }), [['id', 'PATH_MISMATCH']]);
  assert.deepEqual(await refused('POST', `${ONE}:enable`, `{"id":"${ID}","id":"${ID}"}`), [
    ['', 'SET_TWICE'],
  ]);
  assert.deepEqual(await refused('POST', `${ONE}:check`, { x: 1 }), [['', 'NO_BODY']]);
  assert.deepEqual(await refused('POST', `${ONE}:enable`, [1]), [['', 'WRONG_TYPE']]);
  assert.deepEqual(await refused('POST', ALL, '{'), [['', 'MALFORMED_JSON']]);
  assert.deepEqual(await refused('POST', ALL, '{},"validate_only":true'), [['', 'MALFORMED_JSON']]);
  assert.deepEqual(await refused('POST', ALL, [1]), [['integration', 'WRONG_TYPE']]);
  assert.deepEqual(await refused('POST', ALL, { ...valid, enabld: true }), [
    ['integration.enabld', 'UNKNOWN_FIELD'],
  ]);
  assert.deepEqual(await refused('POST', ALL), [
    ['integration.name', 'REQUIRED'],
    ['integration.topic_filters', 'REPEATED_MIN_ITEMS'],
    ['integration.configuration', 'REQUIRED'],
  ]);
});

test('paths that are hostile or wrong come to no handler', async (t) => {
  const { call, asked, server } = await recording(t);
  for (const path of [
    '/api/',
    '/api/v1',
    '/api/v1/',
    '/api/v1/integrations/',
    '/api/v1//integrations',
    '/api/v2/integrations',
    '/api/v1/integrations:',
    '/api/v1/integrations:nothing',
    `${ONE}:`,
    `${ONE}:enable:`,
    `${ONE}:a:enable`,
    `${ONE}/enable`,
    `${ONE}%3Aenable/x`,
    '/api/v1/__proto__',
    '/api/v1/integrations/a/b',
  ]) {
    const { status, body } = await call('POST', path);
    assert.deepEqual([status, body?.code], [404, 'not_found'], path);
  }
  // As they are: fetch would resolve them first.
  const raw = async (line: string, ...more: string[]) =>
    (await rawRequest(server.httpAddress, [`${line} HTTP/1.1`, 'host: a', ...more])).slice(9, 12);
  assert.equal(await raw('GET /api/v1/../../etc/passwd'), '404');
  assert.equal(await raw('GET /api/v1/integrations/..'), '400');
  assert.equal(await raw('GET /api/v1/integrations/%2e%2e%2f%2e%2e%2fetc'), '400');
  assert.equal(await raw(`GET /api/v1/integrations/${ID}%2Fdead-letters`), '400');
  assert.equal(await raw(`POST /api/v1/integrations/${ID}%3Aenable`), '405');
  assert.equal(await raw('GET /api/v1/integrations/%ff'), '400');
  assert.equal(await raw('GET /api/v1/integrations/%'), '400');
  assert.equal(await raw('GET /api/v1/integrations/%00'), '400');
  assert.equal(await raw(`GET /api/v1/integrations/${'x'.repeat(15_000)}`), '400');
  assert.equal(await raw(`GET /api/v1/integrations/${'x'.repeat(17_000)}`), '431');
  assert.equal(await raw(`GET ${ALL}?${'a.'.repeat(7000)}=1`), '400');
  assert.deepEqual(asked, []);
});

test('another method for a path is refused with those that it takes', async (t) => {
  const { call, asked } = await recording(t);
  for (const [method, path, allow] of [
    ['PUT', ONE, 'GET, HEAD, PATCH, DELETE'],
    ['POST', ONE, 'GET, HEAD, PATCH, DELETE'],
    ['OPTIONS', ALL, 'POST, GET, HEAD'],
    ['GET', `${ONE}:enable`, 'POST'],
    ['HEAD', `${ALL}:watch`, 'GET'],
    ['POST', `${ALL}:watch`, 'GET'],
  ] as const) {
    const { status, response } = await call(method, path);
    assert.deepEqual([status, response.headers.get('allow')], [405, allow], `${method} ${path}`);
  }
  assert.deepEqual(asked, []);
});

test('HEAD is answered as GET, without the body', async (t) => {
  const { server, asked } = await recording(t);
  const answer = await rawRequest(server.httpAddress, [`HEAD ${ONE} HTTP/1.1`, 'host: a']);
  assert.match(answer, /^HTTP\/1\.1 200 .*content-length: 2\r\n.*\r\n\r\n$/is);
  assert.deepEqual(asked, [{ id: ID }]);
});

test('a body that a form of HTML could send is refused, and so is one that is none', async (t) => {
  const { server, asked } = await recording(t);
  const post = async (body: string, ...headers: string[]) => {
    const head = [`POST ${ONE}:enable HTTP/1.1`, 'host: a', ...headers];
    return (await rawRequest(server.httpAddress, head, body)).slice(9, 12);
  };
  for (const type of [
    'text/plain',
    'text/plain; charset=application/json',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=application/json',
    'application/jsonp',
    'application/json; charset=utf-16',
    'application/json, text/plain',
    '',
  ]) {
    assert.equal(await post('{}', `content-type: ${type}`), '415', type);
    assert.equal(await post('', `content-type: ${type}`), '415', type);
  }
  assert.equal(await post('{}'), '415');
  assert.equal(await post('{}', 'content-type: application/json', 'content-encoding: gzip'), '415');
  assert.equal(await post('{}', 'content-type: application/json', 'origin: http://evil.example'), '403');
  assert.deepEqual(asked, []);
  assert.equal(await post(''), '200');
});

test('a body that is no UTF-8 is refused', async (t) => {
  const { url, asked } = await recording(t);
  const body = Buffer.from(JSON.stringify({ ...valid, name: 'ÿ' }), 'latin1');
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url + ALL, { method: 'POST', headers, body });
  assert.equal(response.status, 400);
  assert.match(await response.text(), /the request is no UTF-8/);
  assert.deepEqual(asked, []);
});

test('a body beside GET or DELETE is refused, a type without one is not', async (t) => {
  const { server, asked, asks } = await recording(t);
  for (const method of ['GET', 'DELETE']) {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    assert.deepEqual(await asks(method, ONE, undefined, headers), { id: ID });
  }
  asked.length = 0;
  for (const method of ['GET', 'DELETE']) {
    const head = [`${method} ${ONE} HTTP/1.1`, 'host: a', 'content-type: application/json'];
    assert.match(await rawRequest(server.httpAddress, head, '{}'), /^HTTP\/1\.1 400 .*NO_BODY/s);
  }
  assert.deepEqual(asked, []);
});

test('a body beyond the limit is refused, whether it says its length or not', async (t) => {
  const { call, url, asked } = await recording(t);
  const body = JSON.stringify({ ...valid, description: 'x'.repeat(5 << 20) });
  const { status, body: told } = await call('POST', ALL, body);
  assert.deepEqual([status, told.code], [429, 'resource_exhausted']);
  // Nothing of an answer comes through a connection that is cut before all was sent.
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  t.after(() => socket.destroy());
  socket.write(
    `POST ${ALL} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`,
  );
  for (let i = 0; i < 5; i++) socket.write(`100000\r\n${'x'.repeat(1 << 20)}\r\n`);
  const [answer] = await once(socket, 'data');
  assert.match(String(answer), /^HTTP\/1\.1 429 .*connection: close.*resource_exhausted/is);
  assert.deepEqual(asked, []);
});

test('errors of handlers have the status of their code and the shape of Connect', async (t) => {
  const { call, url, logged } = await recording(t, {
    getIntegration: () => {
      throw failed(Code.NOT_FOUND, 'NOT_FOUND', 'not here');
    },
    listIntegrations: () => {
      throw new Error(SECRET_TEXT);
    },
  });
  const { status, body } = await call('GET', ONE);
  const connect = await fetch(`${url}/penstock.v1.IntegrationService/GetIntegration`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ id: ID }),
  });
  assert.deepEqual([status, body], [connect.status, await connect.json()]);
  assert.equal(status, 404);
  assert.deepEqual((await call('GET', ALL)).body, { code: 'internal', message: 'internal error' });
  assert.equal(logged.filter((line) => line.includes(SECRET_TEXT)).length, 1);
});

test('the deadline and the compression of Connect hold for REST', async (t) => {
  const { call } = await recording(t, {
    getIntegration: async (_request, { signal }) => {
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      return {};
    },
    listIntegrations: () => ({ integrations: [{ ...INTEGRATION, description: 'x'.repeat(4000) }] }),
  });
  const late = await call('GET', ONE, undefined, { 'connect-timeout-ms': '50' });
  assert.deepEqual([late.status, late.body.code], [504, 'deadline_exceeded']);
  const { response, body } = await call('GET', ALL, undefined, { 'accept-encoding': 'gzip' });
  assert.equal(response.headers.get('content-encoding'), 'gzip');
  assert.equal(body.integrations[0].description.length, 4000);
});

test('a stream is a line of JSON for each message, and ends with its error', async (t) => {
  const asked: unknown[] = [];
  const { url } = await recording(t, {
    watchIntegrations: async function* (request) {
      asked.push(toJson(WatchIntegrationsRequestSchema, request));
      if (request.filter?.text === 'none') throw failed(Code.UNAVAILABLE, 'STARTING', 'away');
      for (const name of ['é\n', 'b']) yield { integration: { name, description: 'x'.repeat(100_000) } };
      if (request.filter?.text !== 'end')
        throw failed(Code.RESOURCE_EXHAUSTED, 'TOO_MANY_WATCHES', 'too many');
    },
  });
  const whole = await fetch(`${url}${ALL}:watch?filter.text=end`);
  assert.deepEqual([whole.status, whole.headers.get('content-type')], [200, 'application/x-ndjson']);
  const lines = (text: string) =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  const names = (text: string) =>
    lines(text).map(({ integration, error }) => integration?.name ?? error.code);
  assert.deepEqual(names(await whole.text()), ['é\n', 'b']);
  assert.deepEqual(asked, [{ filter: { text: 'end' } }]);
  const cut = await fetch(`${url}${ALL}:watch`);
  assert.deepEqual(names(await cut.text()), ['é\n', 'b', 'resource_exhausted']);
  const none = await fetch(`${url}${ALL}:watch?filter.text=none`);
  assert.deepEqual([none.status, none.headers.get('content-type')], [503, 'application/json']);
  assert.equal(((await none.json()) as { code: string }).code, 'unavailable');
});

test('a stream ends when its caller goes away', async (t) => {
  const ended: string[] = [];
  const { url } = await recording(t, {
    watchIntegrations: async function* ({ filter }, { signal }) {
      yield {};
      try {
        if (filter === undefined) await new Promise((resolve) => signal.addEventListener('abort', resolve));
        else for (;;) yield { integration: { ...INTEGRATION, description: 'x'.repeat(4096) } };
      } finally {
        ended.push(filter === undefined ? 'waiting' : 'sending');
      }
    },
  });
  for (const [i, filter] of ['', '?filter.text=much'].entries()) {
    const leaving = new AbortController();
    await fetch(`${url}${ALL}:watch${filter}`, { signal: leaving.signal });
    leaving.abort();
    await waitUntil('the handler is told', () => ended.length === i + 1);
  }
  assert.deepEqual(ended, ['waiting', 'sending']);
});

test('HEAD of what whoever asks is answered is open as GET is', async (t) => {
  const handlers = Object.fromEntries(AuthService.methods.map(({ localName }) => [localName, () => ({})]));
  const services = [rpcService(AuthService, handlers as never)];
  const authenticate = () => Promise.resolve(undefined);
  const { url } = await rpcServerForTests(t, {}, { services, authenticate });
  for (const method of ['GET', 'HEAD']) {
    assert.equal((await fetch(`${url}/api/v1/login-methods`, { method })).status, 200, method);
    assert.equal((await fetch(`${url}/api/v1/self`, { method })).status, 401, method);
  }
});

test('a request that names the whole URL, as to a proxy, is one for its path', async (t) => {
  const { server } = await rpcServerForTests(t, { getIntegration: () => ({}) });
  const status = async (target: string) =>
    (await rawRequest(server.httpAddress, [`GET ${target} HTTP/1.1`, 'host: localhost'])).slice(9, 12);
  const root = `http://${server.httpAddress}`;
  const get = '/penstock.v1.IntegrationService/GetIntegration?connect=v1&encoding=json&message=%7B%7D';
  for (const path of [ONE, '/health/live', '/metrics', '/api/v1/none', '/', '?a=/health/live', get]) {
    const own = path.startsWith('/') ? path : `/${path}`;
    assert.equal(await status(root + path), await status(own), path);
  }
  assert.equal(await status(`HTTPS://other.example:1${ONE}`), '200');
});
