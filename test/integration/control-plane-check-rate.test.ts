import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { ErrorInfoSchema, RetryInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';
import { detailOf, RpcError } from '../../src/rpc/error.ts';
import { controlPlaneForTests, executorForTests, HTTP } from '../helpers/control-plane.ts';

/** Over HTTP, from this local address. */
async function check(address: string, localAddress: string) {
  const { hostname, port } = new URL(`http://${address}`);
  const path = '/penstock.v1.IntegrationService/CheckConnection';
  const headers = { 'content-type': 'application/json' };
  const request = httpRequest({ host: hostname, port, path, headers, localAddress, method: 'POST' });
  const integration = { http: { rest_endpoint_url: 'http://127.0.0.1:9999/in' } };
  request.end(JSON.stringify({ integration }));
  const [response] = await once(request, 'response');
  return { status: response.statusCode as number, body: JSON.parse(await text(response)) };
}

test('connection checks are refused to a caller that asks too often, over gRPC and HTTP, and not to others', async (t) => {
  const system = await controlPlaneForTests(t, { checkRate: { atOnce: 3, perMinute: 1 } });
  const executor = await executorForTests(t, system);
  const { client, server, metrics } = system;
  const target = { case: 'integration' as const, value: HTTP };
  for (let i = 0; i < 2; i++) assert.equal((await client.checkConnection({ target })).reachable, true);
  assert.equal((await check(server.httpAddress, '127.0.0.1')).status, 200);

  const error = await client.checkConnection({ target }).catch((thrown: unknown) => thrown);
  assert.ok(error instanceof RpcError);
  assert.equal(error.code, Code.RESOURCE_EXHAUSTED);
  assert.equal(detailOf(error, ErrorInfoSchema)?.reason, 'RATE_LIMITED');
  const seconds = Number(detailOf(error, RetryInfoSchema)?.retryDelay?.seconds);
  assert.ok(seconds > 0 && seconds <= 60, `${seconds}`);
  assert.match(error.message, /^too many connection checks from you or your address: ask again in \d+ s$/);
  const { status, body } = await check(server.httpAddress, '127.0.0.1');
  assert.deepEqual([status, body.code], [429, 'resource_exhausted']);

  assert.equal((await check(server.httpAddress, '127.0.0.2')).status, 200);
  assert.equal(executor.asked.length, 4);
  const { values } = await metrics.callsRefused.get();
  assert.deepEqual(
    values.map(({ labels, value }) => [labels.reason, value]),
    [['rate', 2]],
  );
});
