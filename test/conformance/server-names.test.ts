import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createServer } from 'node:tls';
import { createKafkaBus } from '../../src/bus/kafka-bus.ts';
import { Database } from '../../src/control-plane/store/database.ts';
import { DELIVERED } from '../../src/executor/handlers/handler.ts';
import { followCertificates } from '../../src/runtime/certificate-files.ts';
import { createTargetGuard } from '../../src/runtime/target-guard.ts';
import { certificateAuthority } from '../helpers/certificates.ts';
import { bound, contextOf } from '../helpers/handler.ts';
import { answer, httpEndpoint } from '../helpers/http-endpoint.ts';
import { deliverOne, httpHandler, message } from '../helpers/http-handler.ts';
import { httpProxy } from '../helpers/http-proxy.ts';
import type { Configuration } from '../helpers/peer.ts';
import { rawEndpoint } from '../helpers/raw-endpoint.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { testDeps } from '../helpers/test-deps.ts';

const NAME = 'peer.example.test';
/** A full name, with the dot of the root. Every name is this machine. */
const FULL = `${NAME}.`;
const lookUp = async () => [{ address: '127.0.0.1', family: 4 }];
const guard = createTargetGuard(true, lookUp);
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

test('the Kafka and the PostgreSQL of Penstock itself are asked for without the dot, and found with it', async (t) => {
  const { tls, names, caCert } = await server(t);
  let heard = 0;
  const peer = createServer(tls, (socket) => {
    socket
      .on('error', () => {})
      .once('data', () => {
        heard++; // it speaks: it trusts the certificate
        socket.destroy();
      });
  });
  peer.listen(0, '127.0.0.1');
  await once(peer, 'listening');
  t.after(() => peer.close());
  const { port } = peer.address() as AddressInfo;
  const ca = join(await temporaryDirectory(t), 'ca.crt');
  await writeFile(ca, caCert);
  const asked: string[] = [];
  const resolver = {
    lookUp: async (name: string) => {
      asked.push(name);
      return await lookUp();
    },
  };
  const deps = { ...testDeps(), resolver };
  const postgres = `postgres://me@${FULL}:${port}/x?sslmode=verify-full&sslrootcert=${ca}&sslnegotiation=direct`;
  await using db = new Database(postgres, deps);
  assert.ok(await db.trouble());
  assert.equal(heard, 1);
  assert.deepEqual([new Set(names), new Set(asked)], [new Set([NAME]), new Set([FULL])]);

  names.length = 0;
  asked.length = 0;
  const connection = {
    brokers: [`${FULL}:${port}`],
    clientId: 'x',
    replication: 1,
    tls: followCertificates({ ca: { path: ca, from: 'ca' } }, deps.logger),
  };
  await using bus = createKafkaBus(connection, deps);
  await assert.rejects(bus.listTopics());
  assert.ok(heard > 1);
  assert.deepEqual([new Set(names), new Set(asked)], [new Set([NAME]), new Set([FULL])]);
});
