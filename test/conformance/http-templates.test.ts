import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { HttpMethod } from '../../gen/penstock/v1/http_pb.ts';
import { PayloadContentType } from '../../gen/penstock/v1/payload_pb.ts';
import { DELIVERED } from '../../src/executor/handlers/handler.ts';
import { bodies, deliverOne, deliverTo, failureOf, message } from '../helpers/http-handler.ts';

test('path and query are written for each message, and values stay in their place', async (t) => {
  const { endpoint, handler } = await deliverTo(t, (url) => ({
    restEndpointUrl: `${url}/\${clientId}/v?t=\${topic}&d=\${payload.d}#\${nothing}`,
    requestMethod: HttpMethod.GET,
  }));
  await deliverOne(handler, message('{"d": "1&2"}', { clientId: '../../x?y' }));
  await deliverOne(handler, message('{"d": 3}', { topicName: 'ü' }));
  assert.deepEqual(
    endpoint.received.map(({ path }) => path),
    ['/in/..%2F..%2Fx%3Fy/v?t=a%2Fb&d=1%262', '/in/c/v?t=%C3%BC&d=3'],
  );
});

test('headers are written for each message, beside the fixed ones', async (t) => {
  const { endpoint, handler } = await deliverTo(t, (restEndpointUrl) => ({
    restEndpointUrl,
    headers: { 'X-Topic': '${topic[1]} of ${integrationName}', 'X-Fixed': '1', 'Content-Type': 'x/${qos}' },
    credentials: { credentials: { case: 'basic', value: { username: 'u', password: 'p' } } },
  }));
  await deliverOne(handler, message('one', { qos: 1 }));
  await deliverOne(handler, message('two', { topicName: 'a/ü' }));
  const sent = endpoint.received.map(({ headers }) => headers);
  assert.deepEqual(
    sent.map((headers) => [headers['x-topic'], headers['x-fixed'], headers['content-type']]),
    [
      ['b of an integration', '1', 'x/1'],
      ['ü of an integration', '1', 'x/0'],
    ],
  );
  assert.ok(sent.every(({ authorization }) => authorization === 'Basic dTpw'));
});

test('a body template is the body, as JSON unless the content type is another', async (t) => {
  const json = await deliverTo(t, (restEndpointUrl) => ({
    restEndpointUrl,
    bodyTemplate: '{"c": "${clientId}", "t": ${payload.t}, "all": ${payload}, "x": ${topic}}',
  }));
  await deliverOne(json.handler, message('{"t":21.50}', { clientId: 'say "x"' }));
  assert.deepEqual(bodies(json.endpoint), [
    '{"c": "say \\"x\\"", "t": 21.50, "all": {"t":21.50}, "x": "a/b"}',
  ]);
  assert.equal(json.endpoint.received[0]?.headers['content-type'], 'application/json');

  const text = await deliverTo(t, (restEndpointUrl) => ({
    restEndpointUrl,
    bodyTemplate: '${clientId}: ${payload}',
    headers: { 'content-type': 'text/plain' },
  }));
  await deliverOne(text.handler, message('21 "°C"'));
  assert.deepEqual(bodies(text.endpoint), ['c: 21 "°C"']);
  assert.equal(text.endpoint.received[0]?.headers['content-type'], 'text/plain');
});

test('a value that is missing, or not allowed, makes the message unencodable, and nothing leaves', async (t) => {
  const url = (path: string) => (base: string) => ({ restEndpointUrl: base + path });
  const configs = [
    url('/${payload.x}'),
    url('/${clientId}/y'),
    (restEndpointUrl: string) => ({ restEndpointUrl, bodyTemplate: '{"x": ${payload.x}}' }),
    (restEndpointUrl: string) => ({ restEndpointUrl, headers: { 'x-a': '${userProperties.a}' } }),
  ];
  const one = message('{}', { clientId: '..', userProperties: [{ key: 'a', value: 'b\r\nHost: evil' }] });
  for (const config of configs) {
    const { endpoint, handler } = await deliverTo(t, config);
    const { failureClass, reason } = await failureOf(handler, one);
    assert.equal(failureClass, FailureClass.UNENCODABLE);
    assert.doesNotMatch(reason, /evil/);
    assert.equal(endpoint.received.length, 0);
  }
});

test('the rule for missing values is kept', async (t) => {
  const missing = { rule: 'default', value: 'n/a' } as const;
  const config = (url: string) => ({
    restEndpointUrl: `${url}/\${username}`,
    headers: { 'x-a': '${payload.x}' },
  });
  const { endpoint, handler } = await deliverTo(t, config, { missing });
  assert.equal(await deliverOne(handler, message('{}')), DELIVERED);
  assert.equal(endpoint.received[0]?.path, '/in/n%2Fa');
  assert.equal(endpoint.received[0]?.headers['x-a'], 'n/a');
});

test('each message has a key of its own, the same wherever it is sent from', async (t) => {
  const { endpoint, handler } = await deliverTo(t, (restEndpointUrl) => ({
    restEndpointUrl,
    idempotencyKeyHeader: 'Idempotency-Key',
  }));
  const ids = ['0195b8e3f8a67d9c8a3be0c1f2d4a596', '0195b8e3f8a67d9d8a3be0c1f2d4a597'];
  const [first, second] = ids.map((id) => ({ id: Buffer.from(id, 'hex') }));
  await deliverOne(handler, message('x', first, 7));
  await deliverOne(handler, message('x', second, 8));
  await deliverOne(handler, message('x', first, 9)); // redriven
  await deliverOne(handler, message('x', {}, 10)); // of an older ingress
  const keys = endpoint.received.map(({ headers }) => headers['idempotency-key']);
  const text = '0195b8e3-f8a6-7d9c-8a3b-e0c1f2d4a596';
  assert.deepEqual(keys.slice(0, 3), [text, '0195b8e3-f8a6-7d9d-8a3b-e0c1f2d4a597', text]);
  assert.match(String(keys[3]), /^[0-9a-f-]{14}5/);
});

test('every request counts the integrations that its message has passed', async (t) => {
  for (const requestMethod of [HttpMethod.POST, HttpMethod.GET]) {
    for (const bodyTemplate of ['', '{}']) {
      const { endpoint, handler } = await deliverTo(t, (restEndpointUrl) => ({
        restEndpointUrl,
        requestMethod,
        bodyTemplate,
        payloadContentType: PayloadContentType.TEXT,
      }));
      await deliverOne(handler, message('x'));
      await deliverOne(handler, message('x', { hopCount: 4 }));
      assert.deepEqual(
        endpoint.received.map(({ headers }) => headers['penstock-hops']),
        ['1', '5'],
      );
    }
  }
});
