import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeadLetterService } from '../../gen/penstock/v1/dead_letter_service_pb.ts';
import { EventService } from '../../gen/penstock/v1/event_service_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { framed, framesIn } from '../../src/rpc/rest/json-lines.ts';
import { findRoute, routesOf } from '../../src/rpc/rest/rest-route.ts';

const routes = [IntegrationService, EventService, DeadLetterService].flatMap(routesOf);

/** The method that a path leads to, with what stands in it; else the methods that it takes, or undefined. */
function find(line: string) {
  const [method = '', path = ''] = line.split(' ');
  const found = findRoute(routes, method, path);
  if (found === undefined || 'allow' in found) return found?.allow.join();
  const params = [...found.params].map(
    ([fields, value]) => `${fields.map(({ name }) => name).join('.')}=${value}`,
  );
  return [found.route.method.localName, ...params].join(' ');
}

test('a path leads to its method, and what stands in it to its field', () => {
  assert.equal(find('GET /api/v1/integrations'), 'listIntegrations');
  assert.equal(find('GET /api/v1/integrations/a'), 'getIntegration id=a');
  assert.equal(find('PATCH /api/v1/integrations/a'), 'updateIntegration integration.id=a');
  assert.equal(find('POST /api/v1/integrations/a:enable'), 'enableIntegration id=a');
  assert.equal(find('POST /api/v1/integrations:check'), 'checkConnection');
  assert.equal(find('POST /api/v1/integrations/a:check'), 'checkConnection id=a');
  assert.equal(find('GET /api/v1/integrations/a/events'), 'listEvents filter.integration_id=a');
  assert.equal(find('GET /api/v1/integrations/a/dead-letters'), 'listDeadLetters integration_id=a');
  assert.equal(find('GET /api/v1/integrations/a%2Fb%3Ac%20d+e'), 'getIntegration id=a/b:c d+e');
});

test('a path that is not there leads nowhere', () => {
  for (const path of [
    '/api/v1/integrations//dead-letters',
    '/api/v1/integrations/a:b/dead-letters',
    '/api/v1:check/integrations',
    '/api/v1/integrations/a/',
    '/api/v1/integrations/:enable',
    '/api/v1/integrations/a:enable:enable',
    '/api/v1/integrations/a:',
    '//api/v1/integrations',
    'api/v1/integrations',
    '/api/v1/integrations/%61/dead-letters/',
    '/api/v1/%69ntegrations',
    '',
  ]) {
    assert.equal(find(`GET ${path}`), undefined, path);
  }
  assert.throws(() => find('GET /api/v1/integrations/%ff'), URIError);
  assert.equal(find('PUT /api/v1/integrations/a'), 'GET,HEAD,PATCH,DELETE');
});

test('messages of a stream are told apart wherever it is cut', async () => {
  const texts = ['{"a":"é"}', '{}', `{"b":"${'x'.repeat(300)}"}`];
  const end = Buffer.from(framed('{"error":{}}'));
  end[0] = 2;
  const bytes = Buffer.concat([...texts.map(framed), end]);
  for (const size of [1, 4, 5, 7, bytes.length]) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.subarray(i * size, (i + 1) * size),
    );
    const frames: unknown[] = [];
    for await (const frame of framesIn(ReadableStream.from(chunks))) frames.push(frame);
    assert.deepEqual(frames, [
      ...texts.map((json) => ({ json, isEnd: false })),
      { json: '{"error":{}}', isEnd: true },
    ]);
  }
});
