import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AckStrategy } from '../../gen/penstock/v1/delivery_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { envelope } from '../helpers/messages.ts';
import { receiver } from '../helpers/receiver.ts';
import { installationForTests } from '../helpers/roles.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const MESSAGES = 4000;
const CLIENTS = 50;
const PARALLEL = 4;

test('an executor that was paused past its session sends nothing new of what another one delivers now', async (t) => {
  const endpoint = await receiver(t);
  endpoint.state.delay = 20; // the load lasts as long as the story
  const { bus, topics, start } = await installationForTests(t);
  const controlPlane = await start('control-plane', 'cp');
  const executors = new Map([['executor-1', await start('executor', 'executor-1')]]);
  using integrations = createClient(IntegrationService, controlPlane.address('gRPC'));
  const { integration } = await integrations.createIntegration({
    integration: {
      name: 'pause',
      enabled: true,
      topicFilters: ['#'],
      configuration: {
        case: 'http',
        value: { restEndpointUrl: endpoint.url, maxParallelRequestsCount: PARALLEL },
      },
      delivery: { ackStrategy: AckStrategy.RETRY_ALL, retries: 0 },
    },
  });
  const topic = topics.messages(integration!.id).name;
  for (let n = 0; n < MESSAGES; n++) {
    const clientId = `client-${n % CLIENTS}`;
    const value = envelope(n, { payload: Buffer.from(String(n)), clientId });
    void bus.send(topic, { key: clientId, value });
  }
  const arrivals = () =>
    endpoint.received.map(({ body }) => {
      const { payload, tbmqIeNode } = JSON.parse(body.toString());
      return { n: Number(Buffer.from(payload, 'base64').toString()), node: tbmqIeNode as string };
    });
  await waitUntil('the first delivers', () => endpoint.received.length > 200, 60_000);
  executors.set('executor-2', await start('executor', 'executor-2'));
  await sleep(3000); // whichever has the integration then
  const owner = arrivals().at(-1)!.node;
  const paused = executors.get(owner)!;
  paused.child.kill('SIGSTOP');
  await waitUntil('the other delivers', () => arrivals().at(-1)!.node !== owner, 60_000);
  await sleep(1000);
  const before = new Set(arrivals().map(({ n }) => n));
  const atResume = endpoint.received.length;
  paused.child.kill('SIGCONT');
  await waitUntil('all arrived', () => new Set(arrivals().map(({ n }) => n)).size === MESSAGES, 60_000);
  const all = arrivals();
  const again = all.slice(atResume).filter(({ n, node }) => node === owner && before.has(n));
  t.diagnostic(`${atResume} arrived until it went on, ${all.length - MESSAGES} of all came twice`);
  assert.deepEqual(again, [], 'the paused one delivered what had arrived already');
});
