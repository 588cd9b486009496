import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { configuredValues } from '../../web/src/pages/integration/configured.ts';

test('what is set of an integration is shown by its path, and of a secret that it is set', () => {
  const integration = create(IntegrationSchema, {
    id: 'x',
    name: 'n',
    generation: 3n,
    topicFilters: ['a/#', 'b'],
    metadata: { site: 'berlin' },
    delivery: { maxExecutors: 2 },
    configuration: {
      case: 'http',
      value: {
        restEndpointUrl: 'http://127.0.0.1/',
        headers: { 'x-a': '1' },
        credentials: { credentials: { case: 'basic', value: { username: 'me' } } },
      },
    },
    setSecrets: ['http.credentials.basic.password'],
  });
  assert.deepEqual(
    configuredValues(integration).map(({ path, text }) => `${path} = ${text}`),
    [
      'topic_filters = a/#\nb',
      'delivery.max_executors = 2',
      'metadata.site = berlin',
      'http.rest_endpoint_url = http://127.0.0.1/',
      'http.headers.x-a = 1',
      'http.credentials.basic.username = me',
      'http.credentials.basic.password = set, and not shown',
    ],
  );
});
