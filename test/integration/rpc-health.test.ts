import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { Health, HealthCheckResponse_ServingStatus as Serving } from '../../gen/grpc/health/v1/health_pb.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import type { RpcServerOptions } from '../../src/rpc/server.ts';
import { rpcServerForTests } from '../helpers/rpc-server.ts';

const SERVICE = 'penstock.v1.IntegrationService';

async function healthForTests(t: TestContext, options?: Partial<RpcServerOptions>) {
  const { server, url } = await rpcServerForTests(t, {}, options);
  const health = createClient(Health, server.grpcAddress);
  t.after(() => health[Symbol.dispose]());
  return { server, health, url };
}

test('the server and its services are serving until they are set otherwise', async (t) => {
  const { server, health } = await healthForTests(t);
  for (const service of ['', SERVICE]) {
    assert.equal((await health.check({ service })).status, Serving.SERVING);
  }
  server.setServing(false);
  for (const service of ['', SERVICE]) {
    assert.equal((await health.check({ service })).status, Serving.NOT_SERVING);
  }
  await assert.rejects(health.check({ service: 'no.such.Service' }), { code: Code.NOT_FOUND });
  assert.deepEqual(Object.keys((await health.list({})).statuses), ['', SERVICE]);
});

test('a watcher is told each change, and ends with the server', async (t) => {
  const { server, health } = await healthForTests(t);
  const watched = health.watch({ service: SERVICE })[Symbol.asyncIterator]();
  const unknown = health.watch({ service: 'no.such.Service' })[Symbol.asyncIterator]();
  const next = async (stream: typeof watched) => (await stream.next()).value?.status;
  assert.equal(await next(watched), Serving.SERVING);
  assert.equal(await next(unknown), Serving.SERVICE_UNKNOWN);
  server.setServing(true);
  server.setServing(false);
  assert.equal(await next(watched), Serving.NOT_SERVING);
  server.setServing(true);
  assert.equal(await next(watched), Serving.SERVING);
  const stopped = server[Symbol.asyncDispose]();
  await assert.rejects(unknown.next(), { code: Code.UNAVAILABLE });
  await stopped;
});

test('/health/ready follows the state and what the server depends on, /health/live does not', async (t) => {
  let ready = false;
  const { server, url } = await healthForTests(t, { ready: () => ready });
  const statusOf = async (path: string) => (await fetch(`${url}${path}`)).status;
  assert.equal(await statusOf('/health/ready'), 503);
  ready = true;
  assert.equal(await statusOf('/health/ready'), 200);
  server.setServing(false);
  assert.equal(await statusOf('/health/ready'), 503);
  assert.equal(await statusOf('/health/live'), 200);
});
