import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { Health } from '../../gen/grpc/health/v1/health_pb.ts';
import { CallerKind, Role } from '../../gen/penstock/v1/access_pb.ts';
import type { Caller, Presented } from '../../src/rpc/caller.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import type { RpcServerOptions } from '../../src/rpc/server.ts';
import type { ApiLimits } from '../../src/runtime/api-settings.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { INTEGRATION, rpcServerForTests } from '../helpers/rpc-server.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const BODY = JSON.stringify({
  integration: { name: 'a', topic_filters: ['a'], http: { rest_endpoint_url: 'http://a/' } },
});

/** A server whose CreateIntegration and WatchIntegrations go on until they are told to end. */
async function setUp(t: TestContext, limits: Partial<ApiLimits>, options: Partial<RpcServerOptions> = {}) {
  const { metrics } = testDeps();
  const end = Promise.withResolvers<object>();
  t.after(() => end.resolve({}));
  let calls = 0;
  let ended = 0;
  const handlers = {
    createIntegration: async () => {
      calls++;
      return end.promise;
    },
    watchIntegrations: async function* (_: unknown, { signal }: { signal: AbortSignal }) {
      calls++;
      try {
        yield {};
        await Promise.race([end.promise, once(signal, 'abort')]);
      } finally {
        ended++;
      }
    },
  };
  const { server, client } = await rpcServerForTests(t, handlers, { metrics, limits, ...options });
  /** Over HTTP, from this local address. */
  const post = (localAddress: string, authorization = ''): ClientRequest => {
    const { hostname: host, port } = new URL(`http://${server.httpAddress}`);
    const path = '/penstock.v1.IntegrationService/CreateIntegration';
    const headers = { 'content-type': 'application/json', authorization };
    const request = httpRequest({ host, port, path, headers, localAddress, agent: false, method: 'POST' });
    t.after(() => request.destroy());
    request.on('error', () => {});
    return request.end(BODY);
  };
  const refused = async () => {
    const { values } = await metrics.callsRefused.get();
    return values.map(({ labels, value }) => [labels.reason, value]);
  };
  return {
    server,
    client,
    post,
    refused,
    calls: () => calls,
    ended: () => ended,
    end: () => end.resolve({}),
  };
}

const answered = async (request: ClientRequest) => {
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const { code, details } = JSON.parse(await text(response));
  return { status: response.statusCode, code, reason: details?.[0]?.debug?.reason };
};

test('a caller has no more calls at a time than it may, over gRPC and HTTP together; others have their own', async (t) => {
  const limits = { PENSTOCK_API_MAX_CALLS_PER_CALLER: 4 };
  const { server, client, post, refused, calls, ended, end } = await setUp(t, limits);
  const stream = client.watchIntegrations({})[Symbol.asyncIterator]();
  await stream.next();
  const underWay = [1, 2].map(() => client.createIntegration({ integration: INTEGRATION }));
  const overHttp = post('127.0.0.1');
  await waitUntil('all are being answered', () => calls() === 4);

  const { code, reason, message } = await rpcRejection(() =>
    client.createIntegration({ integration: INTEGRATION }),
  );
  assert.deepEqual([code, reason], [Code.RESOURCE_EXHAUSTED, 'TOO_MANY_CALLS_OF_CALLER']);
  assert.match(
    message,
    /^4 of your calls are being answered already .*: wait for one to end, or end a stream$/,
  );
  const watching = await rpcRejection(() => client.watchIntegrations({})[Symbol.asyncIterator]().next());
  assert.equal(watching.reason, 'TOO_MANY_CALLS_OF_CALLER');
  assert.deepEqual(await answered(post('127.0.0.1')), {
    status: 429,
    code: 'resource_exhausted',
    reason: 'TOO_MANY_CALLS_OF_CALLER',
  });
  assert.deepEqual(await refused(), [['calls_of_caller', 3]]);
  assert.equal(calls(), 4);

  const health = createClient(Health, server.grpcAddress);
  t.after(() => health[Symbol.dispose]());
  await health.check({});
  post('127.0.0.2');
  await waitUntil('another caller is answered', () => calls() === 5);

  await stream.return?.();
  await waitUntil('the stream is ended', () => ended() === 1);
  post('127.0.0.1');
  await waitUntil('its place is taken', () => calls() === 6);
  end();
  await Promise.all([...underWay, answered(overHttp)]);
});

test('who has logged in is a caller by name, from wherever it calls, and beside others of its address', async (t) => {
  const authenticate = async ({ authorization = '', address }: Presented): Promise<Caller> => ({
    name: authorization,
    kind: CallerKind.TOKEN,
    role: Role.ADMIN,
    address,
  });
  const { post, calls } = await setUp(t, { PENSTOCK_API_MAX_CALLS_PER_CALLER: 2 }, { authenticate });
  post('127.0.0.1', 'a');
  post('127.0.0.2', 'a');
  await waitUntil('both are being answered', () => calls() === 2);
  assert.equal((await answered(post('127.0.0.3', 'a'))).reason, 'TOO_MANY_CALLS_OF_CALLER');
  post('127.0.0.1', 'b');
  await waitUntil('another one is answered', () => calls() === 3);
});

test('there are no more calls than may be, whoever they are of, and room again when they end', async (t) => {
  const { client, post, refused, calls, end } = await setUp(t, {
    PENSTOCK_API_MAX_CALLS: 10,
    PENSTOCK_API_MAX_CALLS_PER_CALLER: 6,
  });
  for (let i = 0; i < 10; i++) post(i < 5 ? '127.0.0.1' : '127.0.0.2');
  await waitUntil('all are being answered', () => calls() === 10);
  const { code, reason } = await rpcRejection(() => client.createIntegration({ integration: INTEGRATION }));
  assert.deepEqual([code, reason], [Code.RESOURCE_EXHAUSTED, 'TOO_MANY_CALLS']);
  assert.deepEqual(await refused(), [['calls', 1]]);
  end();
  await waitUntil('there is room', () =>
    client.createIntegration({ integration: INTEGRATION }).then(
      () => true,
      () => false,
    ),
  );
  for (let i = 0; i < 20; i++) await client.createIntegration({ integration: INTEGRATION });
  assert.equal((await answered(post('127.0.0.1'))).status, 200);
});

test('calls that fail or are refused as wrong leave their places', async (t) => {
  const { client } = await setUp(t, { PENSTOCK_API_MAX_CALLS_PER_CALLER: 1 });
  for (let i = 0; i < 5; i++) {
    const wrong = await rpcRejection(() => client.createIntegration({}));
    assert.equal(wrong.code, Code.INVALID_ARGUMENT);
    const missing = await rpcRejection(() =>
      client.getIntegration({ id: '5f0a3a50-9e9b-4d6c-8a10-1b6c1f6e7d11' }),
    );
    assert.equal(missing.code, Code.NOT_FOUND);
  }
});
