import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpMethod, HttpVersion } from '../../gen/penstock/v1/http_pb.ts';
import { createTargetGuard } from '../../src/runtime/target-guard.ts';
import { type HttpConfig, problems } from '../helpers/http-handler.ts';

const URL = 'https://example.com/in';
const fields = (config: HttpConfig, guard = createTargetGuard(true)) =>
  problems({ restEndpointUrl: URL, ...config }, guard).map(([field]) => field);
const oauth2 = (tokenUrl: string, clientSecret?: string): HttpConfig => ({
  credentials: {
    credentials: {
      case: 'oauth2',
      value: { tokenUrl, clientId: 'id', ...(clientSecret === undefined ? {} : { clientSecret }) },
    },
  },
});

test('a configuration with every option is fine', () => {
  assert.deepEqual(
    fields({
      restEndpointUrl: `${URL}/\${clientId}?t=\${topic}`,
      headers: { 'x-topic': '${topic[0]}', 'content-type': 'text/plain' },
      bodyTemplate: 'no JSON: ${payload}',
      idempotencyKeyHeader: 'idempotency-key',
      successCodes: ['2xx', '409'],
      retryCodes: ['404'],
      httpVersion: HttpVersion.HTTP_VERSION_2,
      proxyUrl: 'http://proxy.example.com:3128',
      proxyCredentials: { username: 'u', password: 'p' },
      ...oauth2('https://example.com/token', 's'),
    }),
    [],
  );
  assert.deepEqual(fields({ batching: {}, bodyTemplate: '{"a": "${topic}", "b": ${payload.b}}' }), []);
});

test('everything that is wrong is told at once, each with its field', () => {
  const found = fields({
    restEndpointUrl: 'http://example.com/${topics}',
    headers: { 'X-A': '${nothing}', 'x-a': '1', 'X-Key': '1' },
    idempotencyKeyHeader: 'x-key',
    bodyTemplate: '{"a": ${topic}',
    tls: { cert: 'garbage' },
    successCodes: ['299-200'],
    retryCodes: ['500-400'],
    proxyCredentials: { username: 'u' },
    credentials: { credentials: { case: 'bearer', value: {} } },
    batching: {},
  });
  assert.deepEqual(found.toSorted(), [
    'batching',
    'body_template',
    'credentials.bearer.token',
    'headers',
    'headers["X-A"]',
    'idempotency_key_header',
    'proxy_credentials',
    'rest_endpoint_url',
    'retry_codes[0]',
    'success_codes[0]',
    'tls',
  ]);
});

test('each rule by itself', () => {
  const pem = { credentials: { credentials: { case: 'pem' as const, value: {} } } };
  const { HTTP_VERSION_2 } = HttpVersion;
  const wrong: [string, HttpConfig][] = [
    ['rest_endpoint_url', { restEndpointUrl: 'http://[' }],
    ['rest_endpoint_url', { restEndpointUrl: 'http://example.com/../${topic}' }],
    ['rest_endpoint_url', { restEndpointUrl: 'http://169.254.169.254/latest' }],
    ['rest_endpoint_url', { restEndpointUrl: 'http://169.254.169.254/${topic}' }],
    ['http_version', { restEndpointUrl: 'http://example.com/', httpVersion: HTTP_VERSION_2 }],
    ['credentials.oauth2.client_secret', oauth2('https://example.com/token')],
    ['credentials.oauth2.token_url', oauth2('http://[', 's')],
    ['credentials.oauth2.token_url', oauth2('http://169.254.169.254/', 's')],
    [
      'credentials.basic.username',
      { credentials: { credentials: { case: 'basic', value: { username: 'a:b' } } } },
    ],
    ['proxy_credentials.username', { proxyUrl: 'http://p', proxyCredentials: { username: ':' } }],
    ['tls', { ...pem, tls: {} }],
    ['body_template', { bodyTemplate: '${nothing}' }],
    ['body_template', { bodyTemplate: '{"a": -${topic}}', batching: {} }],
    ['body_template', { bodyTemplate: 'no JSON', headers: { 'Content-Type': 'application/x+json' } }],
    ['body_template', { bodyTemplate: 'x', headers: { 'content-type': 'text/plain' }, batching: {} }],
    ['body_template', { bodyTemplate: '{}', requestMethod: HttpMethod.GET }],
    ['batching', { batching: {}, requestMethod: HttpMethod.DELETE }],
    ['batching', { batching: {}, restEndpointUrl: `${URL}/\${topic}` }],
    ['batching', { batching: {}, headers: { 'x-a': '${topic}' } }],
    ['secret_headers[1].value', { secretHeaders: [{ name: 'a', value: '' }, { name: 'b' }] }],
    ['secret_headers[0].name', { headers: { 'X-A': '1' }, secretHeaders: [{ name: 'x-a', value: '1' }] }],
    ['idempotency_key_header', { idempotencyKeyHeader: 'X-A', secretHeaders: [{ name: 'x-a', value: '1' }] }],
    ['proxy_url', { proxyUrl: 'http://proxy:99999' }],
    ['proxy_url', { proxyUrl: 'http://169.254.169.254:3128' }],
  ];
  for (const [field, config] of wrong) assert.deepEqual(fields(config), [field], JSON.stringify(config));
});

test('addresses of private networks are refused where they are not allowed', () => {
  const strict = createTargetGuard(false);
  assert.deepEqual(fields({ restEndpointUrl: 'http://10.0.0.1/' }), []);
  assert.deepEqual(fields({ restEndpointUrl: 'http://10.0.0.1/' }, strict), ['rest_endpoint_url']);
  assert.deepEqual(fields({ restEndpointUrl: 'http://[::1]/${topic}' }, strict), ['rest_endpoint_url']);
  assert.deepEqual(fields({ proxyUrl: 'http://127.0.0.1:3128' }, strict), ['proxy_url']);
});

test('no secret is told', () => {
  const credentials: HttpConfig['credentials'] = {
    credentials: {
      case: 'pem',
      value: { cert: 'x', privateKey: 'TOPSECRET', privateKeyPassword: 'TOPSECRET' },
    },
  };
  const found = problems({
    restEndpointUrl: 'http://[',
    credentials,
    proxyCredentials: { password: 'TOPSECRET' },
  });
  assert.equal(found.length, 3);
  assert.doesNotMatch(JSON.stringify(found), /TOPSECRET/);
});
