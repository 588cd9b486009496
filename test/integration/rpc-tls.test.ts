import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import { connect as connectPlain, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { RpcError } from '../../src/rpc/error.ts';
import { createClient, type RpcClient } from '../../src/rpc/grpcjs.ts';
import { TlsFiles } from '../../src/rpc/tls-files.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { type Certificate, certificateAuthority } from '../helpers/certificates.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { FLAG, FRAME, PING, PREFACE, RawHttp2 } from '../helpers/raw-http2.ts';
import { INTEGRATION, rpcServerForTests } from '../helpers/rpc-server.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

/** Longer than the files wait for a look. */
const LOOK = 5000;

type Authority = Awaited<ReturnType<typeof certificateAuthority>>;

/** A server whose files can be changed, and ways to call it. */
async function setUp(t: TestContext, options: { readonly clientCa?: string } = {}) {
  const authority = await certificateAuthority(t);
  const directory = await temporaryDirectory(t);
  const paths = { cert: join(directory, 'tls.crt'), key: join(directory, 'tls.key') };
  /** As whoever renews certificates should do it: each file is whole at every moment. */
  const put = async (path: string, text: string) => {
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
  };
  const show = async ({ cert, key }: Certificate) => {
    await put(paths.cert, cert);
    await put(paths.key, key);
  };
  await show(authority.issue('first'));
  const clientCa = join(directory, 'clients.crt');
  if (options.clientCa !== undefined) await put(clientCa, options.clientCa);
  const clock = new FakeClock();
  const { metrics } = testDeps();
  const logged: string[] = [];
  const logger = createLogger('info', clock, (line) => logged.push(line));
  const files = new TlsFiles(
    { ...paths, ...(options.clientCa !== undefined && { clientCa }) },
    { clock, logger, metrics },
  );
  t.after(() => files[Symbol.dispose]());
  const { server } = await rpcServerForTests(t, {}, { tls: files, metrics });
  const look = async () => {
    await clock.advance(LOOK);
  };
  return { authority, server, metrics, logged, look, show, put, paths };
}

function grpcClient(
  t: TestContext,
  address: string,
  ca: string,
  own?: Certificate,
): RpcClient<typeof IntegrationService> {
  const credentials = grpc.credentials.createSsl(
    Buffer.from(ca),
    own ? Buffer.from(own.key) : null,
    own ? Buffer.from(own.cert) : null,
  );
  const client = createClient(IntegrationService, address, undefined, credentials);
  t.after(() => client[Symbol.dispose]());
  return client;
}

const create = (client: RpcClient<typeof IntegrationService>) =>
  client.createIntegration({ integration: INTEGRATION }, { deadline: 3000 });

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => Code.OK,
    (error: unknown) => (error instanceof RpcError ? error.code : assert.fail(String(error))),
  );

/** A GET over HTTP, by a session of its own unless an agent is given; who answered is told, too. */
async function get(address: string, path: string, options: RequestOptions) {
  const request = httpsRequest(`https://${address}${path}`, { agent: false, ...options }).end();
  const [response] = await once(request, 'response');
  const socket = response.socket as TLSSocket;
  const { CN } = socket.getPeerCertificate().subject ?? {};
  const isResumed = socket.isSessionReused();
  let text = '';
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode as number, text, by: String(CN), isResumed };
}

/** The name of who answers a new connection. */
async function shown(address: string, ca: string): Promise<string> {
  const { hostname, port } = new URL(`https://${address}`);
  const socket = connect({ host: hostname, port: Number(port), ca, ALPNProtocols: ['h2', 'http/1.1'] });
  await once(socket, 'secureConnect');
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return String(CN);
}

test('with TLS both ports serve who trusts their authority, and nobody without TLS', async (t) => {
  const { authority, server } = await setUp(t);
  const { integration } = await create(grpcClient(t, server.grpcAddress, authority.ca));
  assert.equal(integration?.name, INTEGRATION.name);
  const { status, by } = await get(server.httpAddress, '/health/ready', { ca: authority.ca });
  assert.deepEqual({ status, by }, { status: 200, by: 'first' });

  const other = await certificateAuthority(t);
  assert.equal(await codeOf(create(grpcClient(t, server.grpcAddress, other.ca))), Code.UNAVAILABLE);
  const plain = createClient(IntegrationService, server.grpcAddress);
  t.after(() => plain[Symbol.dispose]());
  assert.equal(await codeOf(create(plain)), Code.UNAVAILABLE);
  await assert.rejects(get(server.httpAddress, '/health/ready', { ca: other.ca }), /certificate/);
  await assert.rejects(fetch(`http://${server.httpAddress}/health/ready`));
});

test('a certificate that is renewed is shown to whoever connects, and connections that are open stay', async (t) => {
  const { authority, server, look, show, logged, metrics } = await setUp(t);
  const { ca } = authority;
  const client = grpcClient(t, server.grpcAddress, ca);
  await create(client);
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca });
  t.after(() => agent.destroy());
  assert.equal((await get(server.httpAddress, '/health/live', { agent })).by, 'first');

  await show(authority.issue('second'));
  await waitUntil('gRPC shows it', async () => {
    await look();
    return (await shown(server.grpcAddress, ca)) === 'second';
  });
  assert.equal(await shown(server.httpAddress, ca), 'second');
  assert.equal((await get(server.httpAddress, '/health/live', { agent })).by, 'first', 'the same connection');
  await create(client);
  assert.ok(logged.some((line) => line.includes('were read anew')));
  const [expiry] = (await metrics.tlsExpiry.get()).values;
  assert.ok(expiry!.value * 1000 > Date.now());
});

test('a certificate whose key is not there yet is not shown: the one from before is, and it is told once', async (t) => {
  const { authority, server, look, put, paths, logged } = await setUp(t);
  const next = authority.issue('second');
  const warnings = () => logged.filter((line) => line.includes('cannot be used')).length;
  await put(paths.cert, next.cert);
  await waitUntil('it is told', async () => {
    await look();
    return warnings() === 1;
  });
  await look();
  await look();
  assert.equal(await shown(server.grpcAddress, authority.ca), 'first');
  assert.equal(warnings(), 1);
  await put(paths.key, next.key);
  await waitUntil('it is shown', async () => {
    await look();
    return (await shown(server.grpcAddress, authority.ca)) === 'second';
  });
});

test('where callers must show a certificate, others learn nothing but whether the node is well', async (t) => {
  const clients: Authority = await certificateAuthority(t);
  const strangers = await certificateAuthority(t);
  const { authority, server, metrics } = await setUp(t, { clientCa: clients.ca });
  const { ca } = authority;
  const own = clients.issue('pipeline');
  const foreign = strangers.issue('pipeline');
  await create(grpcClient(t, server.grpcAddress, ca, own));
  assert.equal(await codeOf(create(grpcClient(t, server.grpcAddress, ca))), Code.UNAVAILABLE);
  assert.equal(await codeOf(create(grpcClient(t, server.grpcAddress, ca, foreign))), Code.UNAVAILABLE);

  assert.equal((await get(server.httpAddress, '/metrics', { ca, ...own })).status, 200);
  for (const shows of [{}, foreign]) {
    const refused = await get(server.httpAddress, '/metrics', { ca, ...shows });
    assert.equal(refused.status, 401);
    assert.equal(JSON.parse(refused.text).code, 'unauthenticated');
    assert.match(refused.text, /PENSTOCK_TLS_CLIENT_CA_FILE/);
    const rpc = await get(server.httpAddress, '/penstock.v1.IntegrationService/GetIntegration', {
      ca,
      ...shows,
    });
    assert.equal(rpc.status, 401);
    assert.equal((await get(server.httpAddress, '/health/live', { ca, ...shows })).status, 200);
  }
  const [failed] = (await metrics.tlsHandshakesFailed.get()).values;
  assert.ok(failed!.value >= 2 && failed!.labels.protocol === 'grpc');
});

test('a session that is resumed is of whom it was', async (t) => {
  const clients = await certificateAuthority(t);
  const strangers = await certificateAuthority(t);
  const { authority, server } = await setUp(t, { clientCa: clients.ca });
  const statuses = async (own: Partial<Certificate>) => {
    // Without keep-alive each request has a connection, and the next one resumes the session of the last.
    const agent = new Agent({ keepAlive: false, ca: authority.ca, ...own });
    t.after(() => agent.destroy());
    const first = await get(server.httpAddress, '/metrics', { agent });
    const second = await get(server.httpAddress, '/metrics', { agent });
    assert.deepEqual([first.isResumed, second.isResumed], [false, true]);
    return [first.status, second.status];
  };
  assert.deepEqual(await statuses({}), [401, 401]);
  assert.deepEqual(await statuses(strangers.issue('pipeline')), [401, 401]);
  assert.deepEqual(await statuses(clients.issue('pipeline')), [200, 200]);
});

test('sockets that begin no handshake keep nobody out', async (t) => {
  const { authority, server, metrics } = await setUp(t);
  const { ca } = authority;
  for (const [protocol, address] of [
    ['grpc', server.grpcAddress],
    ['http', server.httpAddress],
  ] as const) {
    const { hostname, port } = new URL(`https://${address}`);
    const silent: Socket[] = [];
    t.after(() => {
      for (const socket of silent) socket.destroy();
    });
    for (let i = 0; i < 400; i++) {
      const socket = connectPlain(Number(port), hostname);
      socket.on('error', () => {}).resume();
      silent.push(socket);
      await once(socket, 'connect');
    }
    assert.equal(await shown(address, ca), 'first');
    // Not by their deadline, which is seconds off: it was come to after all of them.
    const { values } = await metrics.tlsHandshakesFailed.get();
    const failed = values.find(({ labels }) => labels.protocol === protocol)?.value ?? 0;
    assert.ok(failed >= 200, `${failed}`);
    await waitUntil('the oldest are cut', () => silent.filter(({ closed }) => closed).length >= 200);
    assert.ok(silent.slice(0, 150).every(({ closed }) => closed));
    await waitUntil('the others have had their time', () => silent.every(({ closed }) => closed));
  }
});

test('the server stops with connections open, and takes none any more', async (t) => {
  const { authority, server } = await setUp(t);
  const { ca } = authority;
  await create(grpcClient(t, server.grpcAddress, ca));
  const agent = new Agent({ keepAlive: true, ca });
  t.after(() => agent.destroy());
  await get(server.httpAddress, '/health/live', { agent });
  const begin = performance.now();
  await server[Symbol.asyncDispose]();
  assert.ok(performance.now() - begin < 4000, 'it does not wait for its deadline');
  await assert.rejects(shown(server.grpcAddress, ca), /ECONNREFUSED/);
  await assert.rejects(shown(server.httpAddress, ca), /ECONNREFUSED/);
});

test('who is still in a handshake when the server stops is served by nobody', async (t) => {
  const { authority, server } = await setUp(t);
  const { hostname, port } = new URL(`https://${server.grpcAddress}`);
  const below = connectPlain(Number(port), hostname);
  await once(below, 'connect');
  await new Promise((resolve) => setImmediate(resolve));
  const stopped = server[Symbol.asyncDispose]();
  const socket = connect({
    socket: below,
    ca: authority.ca,
    servername: 'localhost',
    checkServerIdentity: () => undefined,
    ALPNProtocols: ['h2'],
  });
  const ended = once(socket, 'close');
  socket.on('error', () => {}).resume();
  await stopped;
  await ended;
});

test('files that cannot be used are told at the start, with the settings', async (t) => {
  const { authority, paths, put } = await setUp(t);
  const { metrics, clock } = testDeps();
  const logger = createLogger('info', clock, () => {});
  const open = () => new TlsFiles(paths, { clock, logger, metrics })[Symbol.dispose]();
  await put(paths.key, authority.issue('another').key);
  assert.throws(
    open,
    /^UserError: PENSTOCK_TLS_CERT_FILE \(.*\) and PENSTOCK_TLS_KEY_FILE \(.*\): cannot be read: /,
  );
  await put(paths.cert, 'nothing');
  assert.throws(open, /^UserError: PENSTOCK_TLS_CERT_FILE .*: cannot be read: /);
  const { cert, key } = authority.issue('last');
  await put(paths.cert, cert);
  await put(paths.key, key);
  open();
  for (const text of ['', 'nothing', authority.ca.slice(0, 100)]) {
    await put(`${paths.cert}.ca`, text);
    const withCa = { ...paths, clientCa: `${paths.cert}.ca` };
    const beginWith = () => new TlsFiles(withCa, { clock, logger, metrics });
    assert.throws(beginWith, /^UserError: .* and PENSTOCK_TLS_CLIENT_CA_FILE \(.*\): /, text);
  }
});

test('over TLS, too, a connection that sends PINGs without end is cut, and others are not', async (t) => {
  const { authority, server, metrics } = await setUp(t);
  const { ca } = authority;
  const client = grpcClient(t, server.grpcAddress, ca);
  await create(client);
  const { hostname, port } = new URL(`https://${server.grpcAddress}`);
  const socket = connect({ host: hostname, port: Number(port), ca, ALPNProtocols: ['h2'] });
  t.after(() => socket.destroy());
  await once(socket, 'secureConnect');
  const raw = new RawHttp2(socket);
  raw.send(PREFACE, ...Array<Buffer>(10_000).fill(PING));
  await raw.closed();
  assert.equal(raw.goaways[0]?.[1], 'too_many_pings');
  assert.ok(raw.count(FRAME.ping, FLAG.ack) <= 31);
  const { values } = await metrics.grpcConnectionsCut.get();
  assert.deepEqual(
    values.map(({ labels, value }) => [labels.reason, value]),
    [['pings', 1]],
  );
  await create(client);
});
