import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { DELIVERED } from '../../src/executor/handlers/handler.ts';
import { createTargetGuard } from '../../src/runtime/target-guard.ts';
import { certificateAuthority } from '../helpers/certificates.ts';
import { bound, contextOf } from '../helpers/handler.ts';
import { answer, httpEndpoint } from '../helpers/http-endpoint.ts';
import { deliverOne, httpHandler, message } from '../helpers/http-handler.ts';
import { httpProxy } from '../helpers/http-proxy.ts';
import type { Configuration } from '../helpers/peer.ts';
import { rawEndpoint } from '../helpers/raw-endpoint.ts';

const NAME = 'peer.example.test';
/** A full name, with the dot of the root. Every name is this machine. */
const FULL = `${NAME}.`;
const guard = createTargetGuard(true, async () => [{ address: '127.0.0.1', family: 4 }]);
const full = (url: string) => url.replace('127.0.0.1', FULL);

/** What servers need for TLS under the name, and which names they are asked for. */
async function server(t: TestContext) {
  const authority = await certificateAuthority(t);
  const names: string[] = [];
  const SNICallback = (name: string, done: (error: null) => void) => {
    names.push(name);
    done(null);
  };
  const tls = { ...authority.issue('peer', { names: `DNS:${NAME}` }), SNICallback };
  return { tls, names, caCert: authority.ca };
}

test('an HTTP endpoint, a token endpoint and a proxy are asked for without the dot, the Host has it', async (t) => {
  const { tls, names, caCert } = await server(t);
  const endpoint = await httpEndpoint(t, tls);
  const issuer = await httpEndpoint(t, tls);
  issuer.respond = answer(200, {}, '{"access_token":"abc"}');
  const proxy = await httpProxy(t, tls);
  const value = { tokenUrl: full(issuer.url), clientId: 'id', clientSecret: 's' };
  for (const [proxyUrl, connections] of [
    ['', 2],
    [full(proxy.url), 4],
  ] as const) {
    names.length = 0;
    const config = {
      restEndpointUrl: full(endpoint.url),
      proxyUrl,
      tls: { caCert },
      credentials: { credentials: { case: 'oauth2' as const, value } },
    };
    const handler = await httpHandler(t, config, { guard });
    assert.equal(await deliverOne(handler, message('x')), DELIVERED);
    assert.deepEqual(names, Array(connections).fill(NAME));
    const { port } = new URL(endpoint.url);
    assert.equal(endpoint.received.at(-1)?.headers.host, `${FULL}:${port}`);
  }
});

test('MQTT brokers and Kafka are asked for without the dot', async (t) => {
  const { tls, names, caCert } = await server(t);
  const { url } = await rawEndpoint(t, tls);
  const port = Number(new URL(url).port);
  const toMqtt = { host: FULL, port, ssl: true, tls: { caCert }, connectTimeout: { seconds: 1n } };
  const toKafka = { bootstrapServers: [`${FULL}:${port}`], topic: 'x', tls: { caCert } };
  const configurations: readonly Configuration[] = [
    { case: 'mqtt', value: toMqtt },
    { case: 'mqtt', value: { ...toMqtt, transport: 2 } },
    { case: 'kafka', value: toKafka },
  ];
  for (const configuration of configurations) {
    names.length = 0;
    const { message: text } = await bound(configuration)
      .check(contextOf({ guard }), AbortSignal.timeout(2000))
      .catch((error: Error) => error);
    assert.ok(names.length > 0, text);
    assert.deepEqual(new Set(names), new Set([NAME]));
    assert.doesNotMatch(text, /certificate|altname/i);
  }
});
