import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RpcServerOptions } from '../../src/rpc/server.ts';
import { rawRequest } from '../helpers/raw-http.ts';
import { rpcServerForTests } from '../helpers/rpc-server.ts';

const ID = '6f3c1f0e-8b0a-4e57-9c5b-0f6f2f5c9a11';
const APP = 'https://app.example.com';
const RPC = '/penstock.v1.IntegrationService/EnableIntegration';
const PATHS = [
  RPC,
  `/api/v1/integrations/${ID}:enable`,
  `/api/v1/integrations/${ID}`,
  '/metrics',
  '/openapi.json',
];

/** Asks as a browser would; `headers` of the answer are in lower case. */
function browser({ httpAddress }: { readonly httpAddress: string }) {
  return async (line: string, ...lines: readonly string[]) => {
    const answer = await rawRequest(httpAddress, [`${line} HTTP/1.1`, 'host: 127.0.0.1:8080', ...lines]);
    const [head = '', body = ''] = answer.split('\r\n\r\n', 2);
    const headers = head
      .split('\r\n')
      .slice(1)
      .map((one) => /^([^:]*): (.*)$/.exec(one)!)
      .map(([, name, value]) => [name!.toLowerCase(), value!] as const);
    return { status: Number(head.slice(9, 12)), headers: new Headers(headers.map(([a, b]) => [a, b])), body };
  };
}

const preflight = (path: string, origin: string, method = 'POST') =>
  [
    `OPTIONS ${path}`,
    `origin: ${origin}`,
    `access-control-request-method: ${method}`,
    'access-control-request-headers: content-type,authorization',
  ] as const;

test('a page of an origin that is named may ask, call, and read the answer', async (t) => {
  const { server } = await rpcServerForTests(t, {}, { corsOrigins: [APP, 'http://localhost:3000'] });
  const ask = browser(server);
  for (const origin of [APP, 'http://localhost:3000']) {
    for (const path of PATHS) {
      const leave = await ask(...preflight(path, origin));
      assert.deepEqual([leave.status, leave.body], [204, ''], path);
      assert.equal(leave.headers.get('access-control-allow-origin'), origin);
      assert.match(leave.headers.get('access-control-allow-methods')!, /\bPATCH, DELETE\b/);
      assert.match(
        leave.headers.get('access-control-allow-headers')!,
        /\bauthorization, content-type, connect-/,
      );
      assert.equal(leave.headers.get('access-control-allow-credentials'), null);
      assert.match(leave.headers.get('vary')!, /\borigin\b/);
    }
    const called = await ask(`POST /api/v1/integrations/${ID}:enable`, `origin: ${origin}`);
    assert.equal(called.status, 200);
    assert.equal(called.headers.get('access-control-allow-origin'), origin);
    assert.match(called.headers.get('access-control-expose-headers')!, /\bconnect-content-encoding\b/);
    assert.equal(called.headers.get('access-control-allow-credentials'), null);
    const failed = await ask('GET /api/v1/integrations/x', `origin: ${origin}`);
    assert.deepEqual([failed.status, failed.headers.get('access-control-allow-origin')], [400, origin]);
    const figures = await ask('GET /metrics', `origin: ${origin}`);
    assert.deepEqual([figures.status, figures.headers.get('vary')], [200, 'origin, accept-encoding']);
  }
});

test('nobody else is granted anything', async (t) => {
  const { server } = await rpcServerForTests(t, {}, { corsOrigins: [APP] });
  const ask = browser(server);
  for (const origin of [
    'https://evil.example',
    'https://app.example.com.evil.example',
    'https://app.example.com:8443',
    'http://app.example.com',
    'https://sub.app.example.com',
    'null',
  ]) {
    for (const path of PATHS) {
      const refused = await ask(...preflight(path, origin));
      assert.deepEqual(
        [refused.status, refused.headers.get('access-control-allow-origin')],
        [403, null],
        origin,
      );
    }
    const called = await ask(`POST /api/v1/integrations/${ID}:enable`, `origin: ${origin}`);
    assert.deepEqual([called.status, called.headers.get('access-control-allow-origin')], [403, null]);
    const health = await ask('GET /health/live', `origin: ${origin}`);
    assert.deepEqual([health.status, health.headers.get('access-control-allow-origin')], [200, null]);
  }
  // A page of this host's own, and whoever is no page.
  for (const lines of [['origin: http://127.0.0.1:8080'], []]) {
    const own = await ask(`GET /openapi.json`, ...lines);
    assert.deepEqual([own.status, own.headers.get('access-control-allow-origin')], [200, null]);
    assert.equal(own.headers.get('vary'), 'origin');
  }
  const both = await ask('GET /openapi.json', `origin: ${APP}`, 'origin: https://evil.example');
  assert.equal(both.status, 403);
});

test('without origins that are named, there is no leave for anybody', async (t) => {
  const { server } = await rpcServerForTests(t);
  const ask = browser(server);
  assert.equal((await ask(...preflight(RPC, APP))).status, 403);
  const own = await ask(...preflight(`/api/v1/integrations/${ID}`, 'http://127.0.0.1:8080'));
  assert.deepEqual([own.status, own.headers.get('access-control-allow-methods')], [405, null]);
  assert.equal((await ask('GET /openapi.json')).headers.get('vary'), null);
});

test('a page that is served elsewhere calls without the cookies of who is logged in here', async (t) => {
  const cookies: (string | null)[] = [];
  const enableIntegration: Parameters<typeof rpcServerForTests>[1] = {
    enableIntegration: (_request, { requestHeader }) => {
      cookies.push(requestHeader.get('cookie'));
      return {};
    },
  };
  const origins: Partial<RpcServerOptions> = { corsOrigins: [APP, 'http://127.0.0.1:8080'] };
  const { server } = await rpcServerForTests(t, enableIntegration, origins);
  const ask = browser(server);
  const line = `POST /api/v1/integrations/${ID}:enable`;
  for (const origin of [[`origin: ${APP}`], ['origin: http://127.0.0.1:8080'], []]) {
    assert.equal((await ask(line, 'cookie: penstock_session=a', ...origin)).status, 200);
  }
  assert.deepEqual(cookies, [null, 'penstock_session=a', 'penstock_session=a']);
});

test('an origin that is named is granted leave on another port of a host that may be called, too', async (t) => {
  const origins = ['http://127.0.0.1:5173', 'https://penstock.example.com:8443'];
  const hosts = ['penstock.example.com', 'other.example.com'];
  const { server } = await rpcServerForTests(t, {}, { corsOrigins: origins, httpHosts: hosts });
  const ask = browser(server);
  for (const origin of origins) {
    const leave = await ask(...preflight(RPC, origin));
    assert.deepEqual([leave.status, leave.headers.get('access-control-allow-origin')], [204, origin]);
  }
  const unnamed = await ask(...preflight(RPC, 'https://other.example.com'));
  assert.deepEqual([unnamed.status, unnamed.headers.get('access-control-allow-origin')], [405, null]);
});
