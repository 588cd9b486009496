import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { HttpVersion } from '../../gen/penstock/v1/http_pb.ts';
import { IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { answerSchema, type OPENAPI } from '../helpers/openapi.ts';
import { rpcServerForTests } from '../helpers/rpc-server.ts';

const ID = '6f3c1f0e-8b0a-4e57-9c5b-0f6f2f5c9a11';

async function served(
  t: TestContext,
  ...args: Parameters<typeof rpcServerForTests> extends [unknown, ...infer R] ? R : never
) {
  const { url } = await rpcServerForTests(t, ...args);
  const response = await fetch(`${url}/openapi.json`);
  return { url, response, document: JSON.parse(await response.text()) };
}

test('the document is served, with the paths of the services that are there', async (t) => {
  const { url, response, document } = await served(t);
  assert.deepEqual([response.status, response.headers.get('content-type')], [200, 'application/json']);
  assert.equal(document.openapi, '3.1.0');
  const operations = Object.values(document.paths as typeof OPENAPI.paths).flatMap((path) =>
    Object.values(path),
  );
  assert.deepEqual(
    new Set(operations.map(({ operationId }) => operationId.replace(/2$/, ''))),
    new Set(IntegrationService.methods.map(({ localName }) => localName)),
  );
  const etag = response.headers.get('etag')!;
  const again = await fetch(`${url}/openapi.json`, { headers: { 'if-none-match': etag } });
  assert.deepEqual([again.status, await again.text()], [304, '']);
  const head = await fetch(`${url}/openapi.json`, { method: 'HEAD' });
  assert.deepEqual([head.status, await head.text()], [200, '']);
  assert.equal((await fetch(`${url}/openapi.json`, { method: 'POST' })).status, 404);
});

test('a node without services has no paths', async (t) => {
  const { document } = await served(t, {}, { services: [] });
  assert.deepEqual([document.paths, document.tags], [{}, []]);
});

test('what a server answers is what the document says', async (t) => {
  const time = { seconds: 1_900_000_000n, nanos: 5_000_000 };
  const integration = {
    id: ID,
    name: 'a',
    topicFilters: ['a/#'],
    createTime: time,
    generation: 3n,
    metadata: { a: 'b' },
    delivery: { retries: 0, pauseBetweenRetries: { seconds: 1n, nanos: 500_000_000 } },
    status: { state: IntegrationState.ACTIVE, lag: 12n, executors: [{ serviceId: 'e', since: time }] },
    configuration: {
      case: 'http' as const,
      value: { restEndpointUrl: 'http://a/', httpVersion: HttpVersion.HTTP_VERSION_2 },
    },
  };
  const { url, document } = await served(t, {
    getIntegration: () => ({ integration }),
    listIntegrations: () => ({ integrations: [integration], totalSize: 1 }),
    watchIntegrations: async function* () {
      yield { integration, time };
    },
  });
  for (const [path, query = ''] of [
    ['/api/v1/integrations/{id}'],
    ['/api/v1/integrations'],
    ['/api/v1/integrations:watch'],
    ['/api/v1/integrations', '?page_size=-1'],
  ] as const) {
    const response = await fetch(url + path.replace('{id}', ID) + query);
    const isRight = answerSchema(document, path, 'get', response.status);
    const answer: object = JSON.parse(await response.text());
    assert.ok(Object.keys(answer).length > 0);
    assert.ok(isRight(answer), JSON.stringify([path, answer, isRight.errors]));
    assert.equal(isRight(Object.assign({ more: 1 }, answer)), false);
  }
});
