import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { DELIVERED } from '../../src/executor/handlers/handler.ts';
import { createTargetGuard } from '../../src/runtime/target-guard.ts';
import { serverCertificate } from '../helpers/certificates.ts';
import { httpEndpoint } from '../helpers/http-endpoint.ts';
import { check, deliverOne, deliverTo, failureOf, httpHandler, message } from '../helpers/http-handler.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { onEnd } from '../helpers/on-end.ts';
import { waitUntil } from '../helpers/wait-until.ts';

/** A server that takes connections and says nothing, so that no TLS handshake ends. */
async function silentServer(t: TestContext) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    socket.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onEnd(t, () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/in`, sockets };
}

test('a connection that takes too long is given up, and leaves nothing', async (t) => {
  const { url: restEndpointUrl, sockets } = await silentServer(t);
  for (const [connectTimeout, ms] of [
    [durationFromMs(1500), 1500],
    [undefined, 10_000],
  ] as const) {
    const clock = new ManualClock();
    const config = { restEndpointUrl, ...(connectTimeout && { connectTimeout }) };
    const handler = await httpHandler(t, config, { clock });
    const sending = failureOf(handler);
    await waitUntil('it connects', () => sockets.size === 1);
    clock.advance(ms - 1);
    assert.equal(sockets.size, 1);
    clock.advance(1);
    const { failureClass, reason } = await sending;
    assert.equal(failureClass, FailureClass.DISCONNECTED);
    assert.match(reason, new RegExp(`no connection to 127\\.0\\.0\\.1:\\d+ within ${ms} ms`));
    await waitUntil('no connection is left', () => sockets.size === 0);
    assert.equal(clock.timers, 0);
  }
});

test('connections that are being made end with the handler, however many', async (t) => {
  const warnings: string[] = [];
  const warn = ({ message: text }: Error) => warnings.push(text);
  process.on('warning', warn);
  t.after(() => process.off('warning', warn));
  const { url: restEndpointUrl, sockets } = await silentServer(t);
  const handler = await httpHandler(t, { restEndpointUrl }, { clock: new ManualClock() });
  const sending = Promise.all(Array.from({ length: 40 }, () => failureOf(handler)));
  await waitUntil('they connect', () => sockets.size === 40);
  await handler[Symbol.asyncDispose]();
  for (const { failureClass } of await sending) assert.equal(failureClass, FailureClass.DISCONNECTED);
  await waitUntil('no connection is left', () => sockets.size === 0);
  assert.deepEqual(warnings, []);
});

test('there are never more connections than configured', async (t) => {
  const { endpoint, handler } = await deliverTo(t, (restEndpointUrl) => ({
    restEndpointUrl,
    maxConnections: 2,
    maxParallelRequestsCount: 5,
  }));
  assert.equal(handler.parallel, 2);
  endpoint.respond = (response) => setTimeout(() => response.writeHead(200).end(), 5);
  const some = async () => {
    for (let i = 0; i < 10; i++) assert.equal(await deliverOne(handler, message('x')), DELIVERED);
  };
  await Promise.all([some(), some()]);
  assert.equal(endpoint.opened, 2);
});

test('an idle connection is kept as long as configured, or as the endpoint says', async (t) => {
  const { endpoint, handler } = await deliverTo(t, (restEndpointUrl) => ({
    restEndpointUrl,
    keepAliveTimeout: durationFromMs(1000),
  }));
  const idleTime = async (headers: Record<string, string>) => {
    endpoint.respond = (response) => response.writeHead(200, headers).end();
    await deliverOne(handler, message('x'));
    const begin = performance.now();
    await waitUntil('it is closed', () => endpoint.sockets.size === 0);
    return performance.now() - begin;
  };
  const generous = await idleTime({ 'keep-alive': 'timeout=600' });
  assert.ok(generous > 500 && generous < 3500, `${generous}`); // the server waits 5 s
  assert.ok((await idleTime({ connection: 'close' })) < 500);
});

test('certificates are read once, and TLS sessions resumed', async (t) => {
  const shown = await serverCertificate(t, 'valid');
  const endpoint = await httpEndpoint(t, shown);
  const reused: boolean[] = [];
  endpoint.respond = (response) => {
    reused.push((response.socket as never as { isSessionReused(): boolean }).isSessionReused());
    response.writeHead(200, { connection: 'close' }).end();
  };
  const handler = await httpHandler(t, { restEndpointUrl: endpoint.url, tls: { caCert: shown.ca } });
  for (let i = 0; i < 3; i++) {
    assert.equal(await deliverOne(handler, message('x')), DELIVERED);
    await waitUntil('it is closed', () => endpoint.sockets.size === 0);
  }
  assert.deepEqual(reused, [false, true, true]);
});

test('what the guard refuses is not connected to, by address or by name', async (t) => {
  const endpoint = await httpEndpoint(t);
  const guard = createTargetGuard(false);
  for (const restEndpointUrl of [endpoint.url, endpoint.url.replace('127.0.0.1', 'localhost')]) {
    const handler = await httpHandler(t, { restEndpointUrl }, { guard });
    const { failureClass, reason } = await failureOf(handler);
    assert.equal(failureClass, FailureClass.UNAVAILABLE);
    assert.match(reason, /^refused: .*INTEGRATIONS_ALLOW_LOCAL_NETWORK_HOSTS/);
    const { reachable, message: text } = await check({ restEndpointUrl }, undefined, { guard });
    assert.equal(reachable, false);
    assert.match(text, /refused/);
  }
  assert.equal(endpoint.opened, 0);
});
