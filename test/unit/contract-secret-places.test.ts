import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { applyUpdate } from '../../src/contract/apply-update.ts';
import { movedSecrets, PLACED_SECRETS } from '../../src/contract/secret-places.ts';
import { isSecret, keepSecrets, withoutSecrets } from '../../src/contract/secrets.ts';
import { pathsTo } from '../helpers/schema-paths.ts';

const integration = (configuration: JsonObject) => fromJson(IntegrationSchema, configuration);

/** The secrets that must be given again when a configuration changes so, and gives none. */
function neededAgain(type: string, before: JsonObject, change: JsonObject): readonly string[] {
  const stored = integration({ [type]: before });
  const next = withoutSecrets(IntegrationSchema, integration({ [type]: { ...before, ...change } }));
  const moved = movedSecrets(keepSecrets(IntegrationSchema, next, stored), stored, []);
  return moved.map(({ field }) => field.replace(`integration.${type}.`, '')).toSorted();
}

test('of every secret of the schema it is said where it goes', () => {
  const paths = pathsTo(IntegrationSchema, isSecret).map((path) => path.map(({ name }) => name).join('.'));
  assert.deepEqual(PLACED_SECRETS.toSorted(), paths.toSorted());
});

const pem = (ca_cert: string) => ({ ca_cert, cert: 'C', private_key: 'K', private_key_password: 'P' });

const CREDENTIALS = {
  'credentials.basic.password': { basic: { username: 'u', password: 'p' } },
  'credentials.bearer.token': { bearer: { token: 't' } },
  'credentials.pem.private_key': { pem: { cert: 'C', private_key: 'K' } },
  'credentials.oauth2.client_secret': {
    oauth2: { token_url: 'https://t.example/token', client_id: 'c', client_secret: 's' },
  },
};

for (const [secret, credentials] of Object.entries(CREDENTIALS)) {
  test(`http.${secret} stays with the endpoint that it was given for`, () => {
    const needed = (change: JsonObject) => neededAgain('http', { ...stored, credentials }, change);
    const stored = {
      rest_endpoint_url: 'https://a.example:8443/in/${clientId}',
      proxy_url: 'http://proxy.example:3128',
      proxy_credentials: { username: 'u', password: 'p' },
      secret_headers: [{ name: 'x-api-key', value: 'v' }],
      tls: pem('CA'),
    };
    const ofEndpoint = [
      secret,
      'secret_headers["x-api-key"].value',
      'tls.private_key',
      'tls.private_key_password',
    ];
    for (const url of [
      'http://a.example:8443/in/${clientId}',
      'https://a.example/in',
      'https://b.example:8443/in',
      'https://a.example:8443.b.example/in',
    ]) {
      assert.deepEqual(needed({ rest_endpoint_url: url }), ofEndpoint, url);
    }
    for (const url of ['https://A.example:8443/other?${topic}', 'https://a.example:8443']) {
      assert.deepEqual(needed({ rest_endpoint_url: url }), [], url);
    }
    assert.deepEqual(
      needed({ read_timeout: '1s', headers: { a: 'b' }, request_method: 'HTTP_METHOD_PUT' }),
      [],
    );
    const all = [...ofEndpoint, 'proxy_credentials.password'].toSorted();
    assert.deepEqual(needed({ tls: pem('another CA') }), all);
    for (const url of ['http://proxy.example:3129', 'https://proxy.example:3128', '']) {
      assert.deepEqual(needed({ proxy_url: url }), all, url);
    }
  });
}

test('the secret of an OAuth 2.0 client stays with its token endpoint, too', () => {
  const config = (token_url: string) => ({
    rest_endpoint_url: 'https://a.example',
    credentials: { oauth2: { token_url, client_id: 'c', client_secret: 's' } },
  });
  const needed = (url: string) => neededAgain('http', config('https://t.example/token'), config(url));
  assert.deepEqual(needed('https://t.example/other'), []);
  for (const url of ['http://t.example/token', 'https://t.example:8443/token', 'https://x.example/token']) {
    assert.deepEqual(needed(url), ['credentials.oauth2.client_secret'], url);
  }
});

test('the secrets of an MQTT integration stay with its broker', () => {
  const stored = {
    host: 'broker.example',
    ssl: true,
    credentials: { basic: { username: 'u', password: 'p' } },
    tls: pem('CA'),
    static_client_ids: [{ client_id: 'a"].b', password: 'p' }],
  };
  for (const change of [
    { host: 'other' },
    { port: 8884 },
    { ssl: false, port: 8883 },
    { ssl: false },
    { tls: pem('') },
    { transport: 'MQTT_TRANSPORT_WEBSOCKET' },
  ]) {
    const all = [
      'credentials.basic.password',
      'static_client_ids["a\\"].b"].password',
      'tls.private_key',
      'tls.private_key_password',
    ];
    assert.deepEqual(neededAgain('mqtt', stored, change), all, JSON.stringify(change));
  }
  for (const change of [{ host: 'BROKER.example' }, { port: 8883 }, { client_id: 'c' }, { pool_size: 2 }]) {
    assert.deepEqual(neededAgain('mqtt', stored, change), [], JSON.stringify(change));
  }
});

test('the secrets of a Kafka integration stay within its cluster, as well guarded as they were', () => {
  const sasl = {
    mechanism: 'KAFKA_SASL_MECHANISM_OAUTHBEARER',
    username: 'u',
    password: 'p',
    token_endpoint_url: 'https://t.example/token',
  };
  const stored = { bootstrap_servers: ['one:9093', 'two:9093'], sasl, tls: pem('CA') };
  for (const change of [
    { bootstrap_servers: ['one:9093', 'three:9093'] },
    { bootstrap_servers: ['one:9092'] },
    { sasl: { ...sasl, mechanism: 'KAFKA_SASL_MECHANISM_PLAIN' } },
    { sasl: { ...sasl, token_endpoint_url: 'http://t.example/token' } },
    { tls: pem('another CA') },
    { other_properties: { 'ssl.endpoint.identification.algorithm': '' } },
    { other_properties: { 'security.protocol': 'SASL_PLAINTEXT' } },
  ]) {
    const all = ['sasl.password', 'tls.private_key', 'tls.private_key_password'];
    assert.deepEqual(neededAgain('kafka', stored, change), all, JSON.stringify(change));
  }
  assert.deepEqual(neededAgain('kafka', stored, { tls: null }), ['sasl.password']);
  for (const change of [
    { bootstrap_servers: ['TWO:9093'] },
    { topic: 'other' },
    { sasl: { ...sasl, username: 'other' } },
    { other_properties: { 'max.request.size': '2' } },
  ]) {
    assert.deepEqual(neededAgain('kafka', stored, change), [], JSON.stringify(change));
  }
});

test('an update says which secrets it needs, and takes those that it gives', () => {
  const to = (rest_endpoint_url: string, password?: string) => {
    const [basic, header] = [{ username: 'u' }, { name: 'a' }];
    const isGiven = password !== undefined;
    return integration({
      http: {
        rest_endpoint_url,
        credentials: { basic: isGiven ? { ...basic, password } : basic },
        secret_headers: [isGiven ? { ...header, value: password } : header],
      },
    });
  };
  const stored = to('http://a/', 's3cret');
  const needed = (changes: typeof stored, ...paths: string[]) =>
    applyUpdate(stored, changes, paths).violations.map(({ field }) => field);
  const password = 'integration.http.credentials.basic.password';
  const header = 'integration.http.secret_headers["a"].value';
  for (const paths of [[], ['http'], ['http.rest_endpoint_url']]) {
    assert.deepEqual(needed(to('http://b/'), ...paths), [password, header], paths.join());
    assert.deepEqual(needed(to('http://a/other'), ...paths), [], paths.join());
  }
  assert.deepEqual(needed(to('http://b/', 'n3w')), []);
  assert.deepEqual(needed(to('http://b/', 's3cret')), []);
  assert.deepEqual(needed(to('http://b/', '')), [], 'none is an answer, too');
  // Given, but left out by the mask.
  const url = 'http.rest_endpoint_url';
  assert.deepEqual(needed(to('http://b/', 'n3w'), url), [password, header]);
  assert.deepEqual(needed(to('http://b/', 'n3w'), url, 'http.secret_headers'), [password]);
  assert.deepEqual(needed(to('http://b/', 'n3w'), url, 'http.credentials', 'http.secret_headers'), []);
});
