import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { connectAsync } from 'mqtt';
import { EventService } from '../../gen/penstock/v1/event_service_pb.ts';
import { IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { dataDirectory, startDevForTests } from '../helpers/penstock.ts';
import { processesNaming } from '../helpers/processes.ts';
import { installPrograms } from '../helpers/programs.ts';
import { receiver } from '../helpers/receiver.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const MESSAGES = 1000;
const run = promisify(execFile);

/** Calls with grpcurl, which knows the contract from the server's reflection alone. */
async function grpcurl(address: string, method: string, request: object): Promise<Record<string, unknown>> {
  const { stdout } = await run('grpcurl', ['-plaintext', '-d', JSON.stringify(request), address, method]);
  return JSON.parse(stdout);
}

test('messages of a real MQTT 5 client reach a real HTTP endpoint, each once, as the envelope says', async (t) => {
  installPrograms(() => {});
  const endpoint = await receiver(t);
  const dataDir = await dataDirectory(t);
  const penstock = await startDevForTests(t, dataDir);

  const created = await grpcurl(
    penstock.address('gRPC'),
    'penstock.v1.IntegrationService/CreateIntegration',
    {
      integration: {
        name: 'to http',
        enabled: true,
        topic_filters: ['sensors/#'],
        http: { rest_endpoint_url: endpoint.url, payload_content_type: 'PAYLOAD_CONTENT_TYPE_JSON' },
        metadata: { site: 'north' },
        delivery: { ack_strategy: 'ACK_STRATEGY_RETRY_ALL', retries: 0, pause_between_retries: '1s' },
      },
    },
  );
  const { id } = created.integration as { id: string };

  const begin = Date.now();
  const client = await connectAsync(`mqtt://${penstock.address('MQTT')}`, {
    protocolVersion: 5,
    clientId: 'device-1',
    username: 'meter',
    password: 'secret',
  });
  const publishes = Array.from({ length: MESSAGES }, (_, n) =>
    client.publishAsync(`sensors/${n % 10}/temperature`, JSON.stringify({ n }), {
      qos: 1,
      properties: { userProperties: { unit: 'celsius', seen: ['first', 'last'] } },
    }),
  );
  await Promise.all(publishes);
  await client.publishAsync('elsewhere/1', 'not wanted', { qos: 1 });
  await client.endAsync();
  await waitUntil('all arrived', () => endpoint.received.length >= MESSAGES, 60_000);

  const bodies = endpoint.bodies();
  assert.deepEqual(
    bodies.map(({ payload }) => payload.n),
    Array.from({ length: MESSAGES }, (_, n) => n),
    'each once, in the order of the one client',
  );
  const { ts, tbmqNode, tbmqIeNode, ...rest } = bodies[7];
  assert.deepEqual(rest, {
    payload: { n: 7 },
    topicName: 'sensors/7/temperature',
    clientId: 'device-1',
    eventType: 'PUBLISH_MSG',
    qos: 1,
    retain: false,
    username: 'meter',
    props: { unit: 'celsius', seen: 'last' },
    metadata: { integrationName: 'to http', site: 'north' },
  });
  assert.ok(ts >= begin && ts <= Date.now());
  assert.ok(tbmqNode !== '' && tbmqIeNode !== '');
  assert.equal(endpoint.received[0]?.headers['content-type'], 'application/json');

  using integrations = createClient(IntegrationService, penstock.address('gRPC'));
  await waitUntil(
    'the status follows',
    async () => {
      const { integration } = await integrations.getIntegration({ id });
      const status = integration?.status;
      return (
        status?.state === IntegrationState.ACTIVE &&
        status.lastDeliveredTime !== undefined &&
        status.lag === 0n
      );
    },
    30_000,
  );
  using events = createClient(EventService, penstock.address('gRPC'));
  const listed = await events.listEvents({ filter: { integrationId: id } });
  assert.ok(listed.events.some(({ event }) => event.case === 'lifecycle' && event.value.success));

  assert.equal(endpoint.received.length, MESSAGES, 'nothing came twice');
  assert.equal(await penstock.stop(), 0);
  assert.deepEqual(processesNaming(dataDir), [], 'nothing is left running');
});

test('the same messages are taken in over gRPC, and JSON over HTTP serves the same API', async (t) => {
  const endpoint = await receiver(t);
  const penstock = await startDevForTests(t, await dataDirectory(t));
  const call = async (method: string, request: object) => {
    const response = await fetch(`${penstock.address('HTTP')}/penstock.v1.${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(request),
    });
    return { status: response.status, body: (await response.json()) as Record<string, never> };
  };
  const integration = {
    name: 'x',
    enabled: true,
    topicFilters: ['a/+'],
    http: { restEndpointUrl: endpoint.url },
  };
  const created = await call('IntegrationService/CreateIntegration', { integration });
  assert.equal(created.status, 200);
  await waitUntil('ingress knows the filter', async () => {
    const published = await call('MessageService/PublishMessage', {
      topicName: 'a/b',
      payload: btoa('hello'),
    });
    return (published.body as { matchedIntegrations?: number }).matchedIntegrations === 1;
  });
  await waitUntil('it arrived', () => endpoint.received.length === 1);
  assert.equal(endpoint.bodies()[0].payload, btoa('hello'));

  const refused = await call('IntegrationService/CreateIntegration', {
    integration: { ...integration, topicFilters: ['a/#/b'] },
  });
  assert.equal(refused.status, 400);
  assert.match(JSON.stringify(refused.body), /integration\.topic_filters\[0\]/);
  const unknown = await call('IntegrationService/GetIntegration', { id: crypto.randomUUID() });
  assert.equal(unknown.status, 404);
  const metrics = await (await fetch(`${penstock.address('HTTP')}/metrics`)).text();
  assert.match(metrics, /penstock_integration_messages_total\{.*result="delivered"\} 1/);
});
