import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import mqtt from 'mqtt';
import { TlsFiles } from '../../src/rpc/tls-files.ts';
import { type Certificate, certificateAuthority } from '../helpers/certificates.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { acks, publish } from '../helpers/mqtt-listener.ts';
import { webSocketListenerForTests } from '../helpers/mqtt-web-socket.ts';
import { rawRequest } from '../helpers/raw-http.ts';
import { connectPacket } from '../helpers/raw-mqtt-client.ts';
import { handshakeLines, RawWebSocket } from '../helpers/raw-websocket.ts';
import { rpcServerForTests } from '../helpers/rpc-server.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

/** What a server shows of itself, signed by an authority of the test's own, and whether it asks who calls for the same. */
async function tlsForTests(t: TestContext, asksClients = false) {
  const authority = await certificateAuthority(t);
  const directory = await temporaryDirectory(t);
  const [cert, key, clientCa] = ['crt', 'key', 'ca'].map((name) => join(directory, name)) as string[];
  const shown = authority.issue('server');
  await writeFile(cert!, shown.cert);
  await writeFile(key!, shown.key);
  await writeFile(clientCa!, authority.ca);
  const { logger, metrics } = testDeps();
  const paths = { cert: cert!, key: key!, ...(asksClients && { clientCa: clientCa! }) };
  const tls = new TlsFiles(paths, { clock: new FakeClock(), logger, metrics });
  t.after(() => tls[Symbol.dispose]());
  return { authority, tls };
}

/** The answer to a handshake. */
async function answerTo(
  t: TestContext,
  address: string,
  more: Readonly<Record<string, string>>,
  target?: string,
): Promise<string> {
  const client = new RawWebSocket(t, address, 5, handshakeLines(more, target));
  let rest = '';
  client.socket.on('data', (chunk) => {
    rest += chunk;
  });
  await waitUntil('an answer', () => client.head !== '');
  if (!client.head.includes(' 101 ')) await client.closed();
  return rest || client.head;
}

const statusOf = (answer: string) => Number(answer.slice(9, 12));

const HOSTS = { httpHosts: ['penstock.example.com'], corsOrigins: ['https://app.example.com'] };
const ORIGINS = {
  'http://localhost': 101,
  'http://penstock.example.com': 101,
  'https://penstock.example.com:8443': 101,
  'https://app.example.com': 101,
  'http://localhost:5173': 403,
  'https://evil.example.com': 403,
  null: 403,
};
for (const [origin, status] of Object.entries(ORIGINS)) {
  test(`a page of ${origin} is ${status === 101 ? 'let in' : 'told that it may not'}`, async (t) => {
    const { httpAddress } = await webSocketListenerForTests(t, { server: HOSTS });
    const answer = await answerTo(t, httpAddress, { origin });
    assert.equal(statusOf(answer), status, answer);
    if (status === 403) assert.match(answer, /add its host to PENSTOCK_HTTP_HOSTS/);
  });
}

test('nobody is let in by a name that somebody else may have pointed here', async (t) => {
  const { httpAddress } = await webSocketListenerForTests(t, { server: HOSTS });
  const answer = await answerTo(t, httpAddress, {
    host: 'evil.example.com',
    origin: 'http://evil.example.com',
  });
  assert.equal(statusOf(answer), 421);
  assert.equal(statusOf(await answerTo(t, httpAddress, { host: 'penstock.example.com' })), 101);
});

const WRONG: readonly (readonly [string, Readonly<Record<string, string>>, number, RegExp, string?])[] = [
  ['at another path', {}, 404, /MQTT is at \/mqtt/, '/other'],
  ['without a subprotocol', { 'sec-websocket-protocol': '' }, 400, /no subprotocol: offer mqtt/],
  ['of other subprotocols', { 'sec-websocket-protocol': 'a, mqtt5' }, 400, /offers a,mqtt5: offer mqtt/],
  ['of another version', { 'sec-websocket-version': '8' }, 426, /sec-websocket-version: 13/],
  ['without an upgrade', { upgrade: '', connection: '' }, 426, /\/mqtt is a WebSocket/],
  ['without a key', { 'sec-websocket-key': '' }, 400, /16 bytes in Sec-WebSocket-Key/],
  ['with a short key', { 'sec-websocket-key': 'YQ==' }, 400, /16 bytes in Sec-WebSocket-Key/],
  ['with a body', { 'content-length': '1' }, 400, /without a body/],
];
for (const [what, headers, status, told, target] of WRONG) {
  test(`a handshake ${what} is answered with ${status}, and what would be right`, async (t) => {
    const { httpAddress } = await webSocketListenerForTests(t);
    const answer = await answerTo(t, httpAddress, headers, target);
    assert.equal(statusOf(answer), status);
    assert.match(answer, told);
  });
}

test('an upgrade to anything else is no WebSocket: the request is answered as without', async (t) => {
  const { httpAddress } = await webSocketListenerForTests(t);
  const lines = [
    'host: localhost',
    'connection: upgrade, http2-settings',
    'upgrade: h2c',
    'http2-settings: AA',
  ];
  const answer = await rawRequest(httpAddress, ['GET /health/live HTTP/1.1', ...lines.toSpliced(1, 1)]);
  assert.match(answer, /^HTTP\/1.1 200/);
  const client = new RawWebSocket(t, httpAddress, 5, ['GET /health/live HTTP/1.1', ...lines]);
  await waitUntil('an answer', () => client.head !== '');
  assert.match(client.head, /^HTTP\/1.1 200/);
});

test('a query does not matter, and of several subprotocols the first that is spoken is taken', async (t) => {
  const { httpAddress } = await webSocketListenerForTests(t);
  const offered = {
    'sec-websocket-protocol': 'x,mqttv3.1, mqtt',
    'sec-websocket-extensions': 'permessage-deflate',
  };
  const answer = await answerTo(t, httpAddress, offered, '/mqtt?from=here');
  assert.deepEqual(answer.split('\r\n').slice(0, 5), [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=', // of RFC 6455 §1.3
    'Sec-WebSocket-Protocol: mqttv3.1',
  ]);
});

test('an ingress that has not restored everything says so', async (t) => {
  const { httpAddress, state } = await webSocketListenerForTests(t);
  state.trouble = 'restoring the topic filters: connect again later';
  const answer = await answerTo(t, httpAddress, {});
  assert.equal(statusOf(answer), 503);
  assert.match(answer, /restoring the topic filters/);
});

test('a node without an ingress says where there is a WebSocket', async (t) => {
  const { server } = await rpcServerForTests(t);
  const answer = await answerTo(t, server.httpAddress, {});
  assert.equal(statusOf(answer), 404);
  assert.match(answer, /on nodes with the role ingress/);
});

test('over TLS, too, a client that hangs up behind its messages has them acknowledged', async (t) => {
  const { authority, tls } = await tlsForTests(t);
  const { httpAddress, sink } = await webSocketListenerForTests(t, { server: { tls } });
  const stored = Promise.withResolvers<number>();
  sink.answer = () => stored.promise;
  const client = await RawWebSocket.open(t, httpAddress, 4, handshakeLines(), authority.ca);
  client.send(connectPacket(4), publish(1, 1));
  client.socket.end();
  await waitUntil('it is on its way', () => sink.messages.length === 1);
  stored.resolve(1);
  await client.closed();
  assert.deepEqual(acks(client.packets), ['puback 1']);
});

for (const asksClients of [false, true]) {
  const who = asksClients ? 'who has a certificate is' : 'clients are';
  test(`where the HTTP port has TLS${asksClients ? ', and asks for certificates' : ''}, ${who} let in by wss`, async (t) => {
    const { authority, tls } = await tlsForTests(t, asksClients);
    const { httpAddress, sink } = await webSocketListenerForTests(t, { server: { tls } });
    const connect = (own?: Certificate) =>
      mqtt.connectAsync(`wss://${httpAddress}/mqtt`, { ca: authority.ca, reconnectPeriod: 0, ...own });
    if (asksClients) {
      const headers = Object.fromEntries(
        handshakeLines({ host: '' })
          .slice(1)
          .map((line) => line.split(': ', 2)),
      );
      const request = httpsRequest(`https://${httpAddress}/mqtt`, { ca: authority.ca, headers }).end();
      const [{ statusCode }] = await once(request, 'response');
      assert.equal(statusCode, 401);
    }
    const client = await connect(asksClients ? authority.issue('client') : undefined);
    t.after(() => client.endAsync(true));
    await client.publishAsync('a/b', 'over TLS', { qos: 2 });
    assert.deepEqual(sink.payloads, ['over TLS']);
    await client.endAsync();
  });
}
