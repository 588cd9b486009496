import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectAsync } from 'mqtt';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { dataDirectory, startDevForTests } from '../helpers/penstock.ts';
import { descendants, processesNaming } from '../helpers/processes.ts';
import { receiver } from '../helpers/receiver.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const MESSAGES = 10_000;
/** What may be on its way when the kill comes. */
const IN_FLIGHT = 64;

test('kill -9 of everything in the middle of 10,000 messages loses none that was acknowledged', async (t) => {
  const endpoint = await receiver(t);
  const dataDir = await dataDirectory(t);
  const first = await startDevForTests(t, dataDir);
  using integrations = createClient(IntegrationService, first.address('gRPC'));
  const { integration } = await integrations.createIntegration(
    {
      integration: {
        name: 'to http',
        enabled: true,
        topicFilters: ['load/#'],
        configuration: { case: 'http', value: { restEndpointUrl: endpoint.url, payloadContentType: 1 } },
        delivery: { ackStrategy: 2, retries: 0, pauseBetweenRetries: { seconds: 0n, nanos: 200_000_000 } },
      },
    },
    { deadline: 25_000 },
  );

  const client = await connectAsync(`mqtt://${first.address('MQTT')}`, {
    protocolVersion: 5,
    clientId: 'load',
    reconnectPeriod: 0,
  });
  client.on('error', () => {});
  const acknowledged = new Set<number>();
  let killed = Promise.resolve();
  const publish = async (lane: number) => {
    for (let n = lane; n < MESSAGES && !client.disconnected; n += 50) {
      try {
        await client.publishAsync(`load/${n % 100}`, JSON.stringify({ n }), { qos: 1 });
      } catch {
        return; // the kill came between PUBLISH and PUBACK
      }
      acknowledged.add(n);
      if (acknowledged.size === MESSAGES / 2) {
        killed = first.killAll(descendants(first.child.pid!));
        return;
      }
    }
  };
  await Promise.race([
    Promise.all(Array.from({ length: 50 }, (_, lane) => publish(lane))),
    waitUntil('the kill', () => acknowledged.size >= MESSAGES / 2, 120_000).then(() => killed),
  ]);
  await killed;
  client.end(true);
  const atKill = endpoint.received.length;
  assert.ok(acknowledged.size >= MESSAGES / 2);
  assert.ok(acknowledged.size < MESSAGES, 'the kill came in the middle');

  const second = await startDevForTests(t, dataDir);
  using after = createClient(IntegrationService, second.address('gRPC'));
  const found = await after.getIntegration({ id: integration!.id });
  assert.equal(found.integration?.name, 'to http', 'the integration is there without being created again');
  const numbers = () => new Set(endpoint.bodies().map(({ payload }) => payload.n as number));
  const missing = () => {
    const arrived = numbers();
    return [...acknowledged].filter((n) => !arrived.has(n));
  };
  await waitUntil('every acknowledged message arrived', () => missing().length === 0, 60_000);

  // New messages flow as well.
  const again = await connectAsync(`mqtt://${second.address('MQTT')}`, {
    protocolVersion: 5,
    clientId: 'load',
  });
  await again.publishAsync('load/new', JSON.stringify({ n: -1 }), { qos: 1 });
  await again.endAsync();
  await waitUntil('a new one arrived', () => numbers().has(-1), 30_000);

  const arrived = endpoint.bodies().map(({ payload }) => payload.n as number);
  const duplicates = arrived.length - new Set(arrived).size;
  t.diagnostic(
    `${acknowledged.size} acknowledged, ${atKill} arrived before the kill, ${duplicates} came twice`,
  );
  // What arrived before the kill came within a second or two: none of it need be committed.
  assert.ok(duplicates <= IN_FLIGHT + atKill, `${duplicates} duplicates`);
  assert.equal(await second.stop(), 0);
  assert.deepEqual(processesNaming(dataDir), []);
});
