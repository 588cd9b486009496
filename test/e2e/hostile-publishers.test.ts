import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { create, toBinary } from '@bufbuild/protobuf';
import { connectAsync } from 'mqtt';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { HOSTILE, Sockets } from '../helpers/hostile-publishers.ts';
import { onEnd } from '../helpers/on-end.ts';
import { receiver } from '../helpers/receiver.ts';
import { installationForTests, type RoleRun } from '../helpers/roles.ts';
import { waitUntil } from '../helpers/wait-until.ts';
import { isLong } from './kit/system.ts';

/** In full, each kind comes several times over. */
const TIMES = isLong ? 5 : 1;
const SMALL = { NODE_OPTIONS: '--max-old-space-size=200' };
/** An ingress that may hold 64 MiB for its clients. */
const SMALL_INGRESS = { ...SMALL, PENSTOCK_MQTT_MAX_MEMORY_BYTES: '67108864' };
/** Heap, buffers, code and what V8 has not given back. */
const MOST_MEMORY = 700 * 1_048_576;
const RETRY_ALL = { ackStrategy: 2, retries: 0, pauseBetweenRetries: { seconds: 1n } } as const;

/** Processes with little memory, and an integration. */
async function start(t: TestContext) {
  const installation = await installationForTests(t);
  const endpoint = await receiver(t);
  const controlPlane = await installation.start('control-plane', 'cp');
  const ingress = await installation.start('ingress', 'in', SMALL_INGRESS);
  const executor = await installation.start('executor', 'ex', SMALL);
  using client = createClient(IntegrationService, controlPlane.address('gRPC'));
  const { integration } = await client.createIntegration({
    integration: {
      name: 'an integration',
      enabled: true,
      topicFilters: ['healthy', 'wanted'],
      configuration: {
        case: 'http',
        value: { restEndpointUrl: endpoint.url, sendOnlyMsgPayload: true },
      },
      delivery: RETRY_ALL,
    },
  });
  return { ...installation, endpoint, ingress, executor, id: integration!.id };
}

/** Publishes with QoS 1, one message after the other, until it is told to stop; answers how many were acknowledged. */
async function healthyPublisher(t: TestContext, ingress: RoleRun) {
  const client = await connectAsync(`mqtt://${ingress.address('MQTT')}`, {
    protocolVersion: 5,
    clientId: 'healthy',
    reconnectPeriod: 0,
  });
  onEnd(t, () => client.endAsync(true));
  let isStopping = false;
  let acknowledged = 0;
  const run = async () => {
    while (!isStopping) {
      await client.publishAsync('healthy', `healthy ${acknowledged}`, { qos: 1 });
      acknowledged++;
      await sleep(20);
    }
    return acknowledged;
  };
  const running = run();
  return {
    isConnected: () => client.connected,
    acknowledged: () => acknowledged,
    stop: () => {
      isStopping = true;
      return running;
    },
  };
}

test('hostile publishers end no process, and a healthy one goes on all the while', {
  timeout: 600_000,
}, async (t) => {
  const { endpoint, ingress, executor } = await start(t);
  const healthy = await healthyPublisher(t, ingress);
  for (const [name, { attack, count }] of Object.entries(HOSTILE)) {
    await t.test(name, async () => {
      const sockets = new Sockets(ingress.address('MQTT'));
      const before = healthy.acknowledged();
      try {
        const next = Array.from({ length: TIMES * count }, (_, index) => index).values();
        const attackers = Array.from({ length: 10 }, async () => {
          for (const index of next) await attack(sockets, index);
        });
        await Promise.all(attackers);
        const during = healthy.acknowledged();
        await waitUntil('it goes on', () => healthy.acknowledged() > during, 30_000);
      } finally {
        sockets.close();
      }
      t.diagnostic(`${name}: ${healthy.acknowledged() - before} of the healthy acknowledged`);
      assert.deepEqual([ingress.isRunning, executor.isRunning, healthy.isConnected()], [true, true, true]);
    });
  }
  const published = await healthy.stop();
  const arrived = () =>
    endpoint.received.filter(({ body }) => body.toString('latin1', 0, 8) === 'healthy ').length;
  await waitUntil(`${published} arrived`, () => arrived() >= published, 120_000);
  assert.ok(ingress.peakMemory < MOST_MEMORY, `${ingress.peakMemory} bytes`);
  assert.ok(executor.peakMemory < MOST_MEMORY, `${executor.peakMemory} bytes`);
});

test('an executor steps over messages on Kafka that would take all its memory, and says so', {
  timeout: 300_000,
}, async (t) => {
  const { bus, topics, endpoint, ingress, executor, id } = await start(t);
  endpoint.state.status = 503; // what is taken in stays in memory
  const userProperties = Array.from({ length: 209_000 }, () => ({ key: '', value: '' }));
  const value = toBinary(EnvelopeSchema, create(EnvelopeSchema, { topicName: 't', userProperties }));
  const topic = topics.messages(id).name;
  for (let index = 0; index < 60; index++) await bus.send(topic, { key: 'hostile', value });
  const healthy = await healthyPublisher(t, ingress);
  await waitUntil('some are acknowledged', () => healthy.acknowledged() >= 10);
  const published = await healthy.stop();
  const undecodable = () =>
    executor.metric('penstock_integration_messages_total', `integration="${id}",result="undecodable"`);
  await waitUntil('all of them are counted', async () => (await undecodable()) === 60, 60_000);
  endpoint.state.status = 200;
  const arrived = () => new Set(endpoint.received.map(({ body }) => body.toString())).size;
  await waitUntil('all others arrive', () => arrived() === published, 60_000);
  assert.ok(executor.isRunning);
});
