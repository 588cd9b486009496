import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { HttpVersion } from '../../gen/penstock/v1/http_pb.ts';
import { DELIVERED } from '../../src/executor/handlers/handler.ts';
import { createTargetGuard } from '../../src/runtime/target-guard.ts';
import { certificateAuthority } from '../helpers/certificates.ts';
import { answer, httpEndpoint } from '../helpers/http-endpoint.ts';
import {
  check,
  deliverOne,
  failureOf,
  type HttpConfig,
  httpHandler,
  message,
} from '../helpers/http-handler.ts';
import { httpProxy } from '../helpers/http-proxy.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const proxyCredentials = { username: 'me', password: 'pw' };
const PROXY_AUTHORIZATION = `Basic ${Buffer.from('me:pw').toString('base64')}`;
/** Nobody but the proxies of these tests knows such names. */
const hidden = (url: string) => url.replace('127.0.0.1', 'endpoint.invalid');

async function tlsEndpoint(t: TestContext, settings?: object) {
  const authority = await certificateAuthority(t);
  const endpoint = await httpEndpoint(t, authority.issue('server'), settings);
  return { endpoint, tls: { caCert: authority.ca }, authority };
}

test('a plain endpoint is asked for through the proxy by its whole URL', async (t) => {
  const endpoint = await httpEndpoint(t);
  const proxy = await httpProxy(t);
  const config = {
    restEndpointUrl: `${hidden(endpoint.url)}/\${topic}?x=1`,
    proxyUrl: proxy.url,
    proxyCredentials,
  };
  const handler = await httpHandler(t, config);
  assert.equal(await deliverOne(handler, message('one')), DELIVERED);
  assert.equal(await deliverOne(handler, message('two')), DELIVERED);
  const { port } = new URL(endpoint.url);
  assert.deepEqual(
    proxy.asked.map(({ method, target, headers }) => [method, target, headers['proxy-authorization']]),
    [1, 2].map(() => ['POST', `http://endpoint.invalid:${port}/in/a%2Fb?x=1`, PROXY_AUTHORIZATION]),
  );
  assert.equal(endpoint.received[0]?.path, '/in/a%2Fb?x=1');
  assert.equal(endpoint.received[0]?.headers.host, `endpoint.invalid:${port}`);
  assert.equal((await check(config)).reachable, true);
  assert.equal(proxy.asked.at(-1)?.target, `http://endpoint.invalid:${port}/in/`);
});

test('an endpoint with TLS is reached through a tunnel, which shows the proxy nothing else', async (t) => {
  const { endpoint, tls } = await tlsEndpoint(t);
  const proxy = await httpProxy(t);
  const credentials = { credentials: { case: 'bearer' as const, value: { token: 'abc' } } };
  const config = { restEndpointUrl: endpoint.url, proxyUrl: proxy.url, proxyCredentials, tls, credentials };
  const handler = await httpHandler(t, config);
  assert.equal(await deliverOne(handler, message('one')), DELIVERED);
  assert.equal(await deliverOne(handler, message('two')), DELIVERED);
  assert.equal(proxy.asked.length, 1);
  const [{ method, target, headers }] = proxy.asked as [(typeof proxy.asked)[number]];
  assert.equal(method, 'CONNECT');
  assert.equal(target, new URL(endpoint.url).host);
  assert.equal(headers['proxy-authorization'], PROXY_AUTHORIZATION);
  assert.equal(headers.authorization, undefined);
  assert.equal(endpoint.received.length, 2);
  assert.equal(endpoint.received[0]?.headers['proxy-authorization'], undefined);
  await handler[Symbol.asyncDispose]();
  await waitUntil('no connection is left', () => proxy.sockets.size === 0);
});

test('the proxy may have TLS itself, and the endpoint behind it HTTP/2', async (t) => {
  const { endpoint, tls, authority } = await tlsEndpoint(t, {});
  const proxy = await httpProxy(t, authority.issue('proxy'));
  for (const httpVersion of [HttpVersion.HTTP_VERSION_1_1, HttpVersion.HTTP_VERSION_2]) {
    const handler = await httpHandler(t, {
      restEndpointUrl: endpoint.url,
      proxyUrl: proxy.url,
      tls,
      httpVersion,
    });
    assert.equal(await deliverOne(handler, message('one')), DELIVERED);
  }
  assert.deepEqual(
    endpoint.received.map(({ httpVersion }) => httpVersion),
    ['1.1', '2.0'],
  );
});

test('the token endpoint is reached through the proxy, too', async (t) => {
  const endpoint = await httpEndpoint(t);
  const issuer = await httpEndpoint(t);
  issuer.respond = answer(200, {}, '{"access_token": "t1"}');
  const proxy = await httpProxy(t);
  const value = { tokenUrl: hidden(issuer.url), clientId: 'id', clientSecret: 's' };
  const handler = await httpHandler(t, {
    restEndpointUrl: hidden(endpoint.url),
    proxyUrl: proxy.url,
    credentials: { credentials: { case: 'oauth2', value } },
  });
  assert.equal(await deliverOne(handler, message('one')), DELIVERED);
  assert.deepEqual(
    proxy.asked.map(({ method }) => method),
    ['CONNECT', 'POST'],
  );
  assert.equal(endpoint.received[0]?.headers.authorization, 'Bearer t1');
});

test('what is wrong with the proxy is said to be of the proxy', async (t) => {
  const { endpoint, tls } = await tlsEndpoint(t);
  const proxy = await httpProxy(t);
  const config: HttpConfig = { restEndpointUrl: endpoint.url, proxyUrl: proxy.url, tls, proxyCredentials };
  const handler = await httpHandler(t, config);
  const says = async (reason: RegExp) => {
    const failure = await failureOf(handler);
    assert.equal(failure.failureClass, FailureClass.DISCONNECTED);
    assert.match(failure.reason, reason);
    assert.doesNotMatch(failure.reason, /pw|Basic/);
    const { reachable, message } = await check(config);
    assert.equal(reachable, false);
    assert.match(message, reason);
  };
  proxy.refusal = 407;
  await says(/the proxy 127\.0\.0\.1:\d+ answers 407 to CONNECT .*proxy_credentials/);
  proxy.refusal = 502;
  await says(/the proxy 127\.0\.0\.1:\d+ answers 502 to CONNECT/);
  await waitUntil('no connection is left', () => proxy.sockets.size === 0);
  await proxy.stop();
  await says(/the proxy 127\.0\.0\.1:\d+ was not reached: .*ECONNREFUSED/);
  assert.equal(endpoint.opened, 0);

  const plain = await httpEndpoint(t);
  const forwarding = await httpProxy(t);
  forwarding.refusal = 407;
  const forwarded = await check({ restEndpointUrl: plain.url, proxyUrl: forwarding.url });
  assert.deepEqual(forwarded, {
    reachable: false,
    message: 'the endpoint answers 407 to HEAD; the proxy wants other credentials: check proxy_credentials',
    fault: 'authentication',
    field: 'proxy_credentials',
  });
});

test('a proxy that is silent is given up with the time for connections, and leaves none', async (t) => {
  const { endpoint, tls } = await tlsEndpoint(t);
  const proxy = await httpProxy(t);
  proxy.isSilent = true;
  const clock = new ManualClock();
  const handler = await httpHandler(
    t,
    { restEndpointUrl: endpoint.url, proxyUrl: proxy.url, tls },
    { clock },
  );
  const sending = failureOf(handler);
  await waitUntil('it is asked', () => proxy.asked.length === 1);
  clock.advance(10_000);
  assert.match((await sending).reason, /no connection .* within 10000 ms/);
  await waitUntil('no connection is left', () => proxy.sockets.size === 0);
  assert.equal(clock.timers, 0);
});

test('the guard judges the proxy, and addresses behind it; names behind it are the proxy’s to look up', async (t) => {
  const endpoint = await httpEndpoint(t);
  const proxy = await httpProxy(t);
  const refuses = (value: HttpConfig, strict: boolean) =>
    httpHandler(t, value, { guard: createTargetGuard(!strict) }).then((handler) => failureOf(handler));
  for (const scheme of ['http', 'https']) {
    const local = endpoint.url.replace('http', scheme);
    const toProxy = await refuses({ restEndpointUrl: hidden(local), proxyUrl: proxy.url }, true);
    assert.match(toProxy.reason, /refused: 127\.0\.0\.1/);
    const metadata = `${scheme}://169.254.169.254/latest`;
    const behind = await refuses({ restEndpointUrl: metadata, proxyUrl: proxy.url }, false);
    assert.match(behind.reason, /refused: 169\.254\.169\.254/);
    for (const { failureClass } of [toProxy, behind]) assert.equal(failureClass, FailureClass.UNAVAILABLE);
  }
  assert.equal(proxy.asked.length, 0);
});
