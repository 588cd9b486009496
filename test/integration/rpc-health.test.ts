import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { Health, HealthCheckResponse_ServingStatus as Serving } from '../../gen/grpc/health/v1/health_pb.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import type { RpcServerOptions } from '../../src/rpc/server.ts';
import type { Problem } from '../../src/runtime/readiness.ts';
import { Warnings } from '../../src/runtime/warnings.ts';
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

test('health follows what the server depends on, as a whole and for each service; /health/live does not', async (t) => {
  const warnings = new Warnings();
  let problems: (Problem & { readonly service: string })[] = [];
  let tell = () => {};
  const readiness = {
    problems: (service?: string) =>
      problems.filter((one) => service === undefined || one.service === service),
    onChange: (listener: () => void) => {
      tell = listener;
    },
  };
  const { server, health, url } = await healthForTests(t, { readiness, warnings });
  const page = async (path: string) => {
    const response = await fetch(`${url}${path}`);
    return [response.status, await response.text()];
  };
  const served = async () => {
    const statuses = ['', SERVICE].map(async (service) => (await health.check({ service })).status);
    return (await Promise.all(statuses)).map((status) => status === Serving.SERVING);
  };
  const set = (...now: typeof problems) => {
    problems = now;
    tell();
  };
  assert.deepEqual(await page('/health/ready'), [200, 'ready\n']);
  set(
    { name: 'kafka', reason: 'it is away', service: 'other' },
    { name: 'x', reason: 'y', service: 'other' },
  );
  assert.deepEqual(await page('/health/ready'), [503, 'not ready\nkafka: it is away\nx: y\n']);
  assert.deepEqual(await served(), [false, true]);
  set({ name: 'kafka', reason: 'it is away', service: SERVICE });
  assert.deepEqual(await served(), [false, false]);
  assert.deepEqual(await page('/health/live'), [200, 'live\n']);
  set();
  assert.deepEqual(await served(), [true, true]);
  warnings.set('disk', 'the disk is nearly full');
  assert.deepEqual(await page('/health/ready'), [200, 'ready\nwarning: the disk is nearly full\n']);
  assert.deepEqual(await served(), [true, true]);
  warnings.set('disk', undefined);
  server.setServing(false);
  assert.deepEqual(await page('/health/ready'), [503, 'not ready\nserver: it is stopping\n']);
  assert.deepEqual(await page('/health/live'), [200, 'live\n']);
});
