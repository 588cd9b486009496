import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { HttpRoom } from '../../src/rpc/http-room.ts';
import { rawRequest } from '../helpers/raw-http.ts';
import { rpcServerForTests } from '../helpers/rpc-server.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const CREATE = 'POST /penstock.v1.IntegrationService/CreateIntegration HTTP/1.1';
const BODY = JSON.stringify({
  integration: { name: 'a', topic_filters: ['a'], http: { rest_endpoint_url: 'http://a/' } },
});
const HEADERS = ['host: localhost', 'content-type: application/json'];

/** Opens sockets that send this, and answers them. */
async function open(t: TestContext, address: string, count: number, text: string): Promise<Socket[]> {
  const { hostname, port } = new URL(`http://${address}`);
  const sockets: Socket[] = [];
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (let i = 0; i < count; i++) {
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {}).resume();
    sockets.push(socket);
    await once(socket, 'connect');
    socket.write(text);
  }
  return sockets;
}

async function assertServes(address: string): Promise<void> {
  assert.match(await rawRequest(address, ['GET /health/live HTTP/1.1', ...HEADERS]), /^HTTP\/1.1 200/);
  assert.match(await rawRequest(address, [CREATE, ...HEADERS], BODY), /^HTTP\/1.1 200/);
}

const withoutBody = [CREATE, ...HEADERS, 'content-length: 100', '', '{'].join('\r\n');

for (const [what, text] of [
  ['say nothing', ''],
  ['send half a header', `${CREATE}\r\nhost: local`],
  ['do not end their request', withoutBody],
] as const) {
  test(`sockets that ${what} keep nobody out: the oldest of them go`, async (t) => {
    const { server } = await rpcServerForTests(t);
    const sockets = await open(t, server.httpAddress, 1150, text);
    await assertServes(server.httpAddress);
    await waitUntil('the oldest are cut', () => sockets.filter(({ closed }) => closed).length >= 50);
    assert.ok(sockets.slice(0, 50).every(({ closed }) => closed));
    assert.equal(sockets.at(-1)?.closed, false);
  });
}

test('the health pages answer also when as many requests are being answered as may be', async (t) => {
  const end = Promise.withResolvers<object>();
  let calls = 0;
  const createIntegration = async () => {
    calls++;
    return end.promise;
  };
  const limits = { PENSTOCK_API_MAX_CALLS_PER_CALLER: 2000 };
  const { server } = await rpcServerForTests(t, { createIntegration }, { limits });
  const text = [CREATE, ...HEADERS, `content-length: ${BODY.length}`, '', BODY].join('\r\n');
  const sockets = await open(t, server.httpAddress, 1000, text);
  await waitUntil('all are being answered', () => calls === 1000);
  const refused = await rawRequest(server.httpAddress, [CREATE, ...HEADERS], BODY);
  assert.match(refused, /^HTTP\/1.1 503 .*"code":"unavailable"/s);
  const live = await rawRequest(server.httpAddress, ['GET /health/live HTTP/1.1', ...HEADERS]);
  assert.match(live, /^HTTP\/1.1 200/);
  await open(t, server.httpAddress, 150, '');
  assert.match(
    await rawRequest(server.httpAddress, ['GET /health/live HTTP/1.1', ...HEADERS]),
    /^HTTP\/1.1 200/,
  );
  assert.ok(sockets.every(({ closed }) => !closed));
  end.resolve({});
  await waitUntil('there is room again', async () =>
    (await rawRequest(server.httpAddress, [CREATE, ...HEADERS], BODY)).startsWith('HTTP/1.1 200'),
  );
});

test('requests that are not whole hold no more than 128 MiB: the first that began are cut', async (t) => {
  const { metrics } = testDeps();
  const { server } = await rpcServerForTests(t, {}, { metrics });
  // Those that are whole count no more.
  const whole = BODY.padEnd(4 << 20);
  for (let i = 0; i < 10; i++)
    assert.match(await rawRequest(server.httpAddress, [CREATE, ...HEADERS], whole), /^HTTP\/1.1 200/);
  const head = [CREATE, ...HEADERS, `content-length: ${whole.length}`, '', ''].join('\r\n');
  const sockets: Socket[] = [];
  for (let i = 0; i < 44; i++)
    sockets.push(...(await open(t, server.httpAddress, 1, head + ' '.repeat(3 << 20))));
  await waitUntil('two are cut', () => sockets.filter(({ closed }) => closed).length === 2);
  await assertServes(server.httpAddress);
  assert.ok(sockets.slice(2).every(({ closed }) => !closed));
  const { values } = await metrics.httpCrowdedOut.get();
  assert.deepEqual(
    values.map(({ labels, value }) => [labels.what, value]),
    [['connection', 2]],
  );
});

test('sockets beyond those that may be open are counted', async (t) => {
  const { metrics } = testDeps();
  const server = createServer();
  new HttpRoom(metrics).guard(server);
  server.maxConnections = 2;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const sockets = await open(t, `127.0.0.1:${port}`, 5, '');
  await waitUntil('those are closed', () => sockets.filter(({ closed }) => closed).length === 3);
  const { values } = await metrics.httpCrowdedOut.get();
  assert.deepEqual(
    values.map(({ labels, value }) => [labels.what, value]),
    [['connection', 3]],
  );
});
