import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectAsync } from 'mqtt';
import { AckStrategy } from '../../gen/penstock/v1/delivery_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { MessageService } from '../../gen/penstock/v1/message_service_pb.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { mosquitto } from '../helpers/mosquitto.ts';
import { dataDirectory, startDevForTests } from '../helpers/penstock.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const isLong = process.env.PENSTOCK_TEST_LONG === '1';
const KILLS = isLong ? 20 : 2;
/** How long the broker is away, and up in between. */
const AWAY = isLong ? 15_000 : 3000;
const UP = isLong ? 10_000 : 3000;
const RATE = 30;

test(`a mosquitto that is killed ${KILLS} times at ${RATE} msg/s costs no message`, async (t) => {
  const broker = await mosquitto(t);
  const penstock = await startDevForTests(t, await dataDirectory(t));
  using integrations = createClient(IntegrationService, penstock.address('gRPC'));
  await integrations.createIntegration(
    {
      integration: {
        name: 'to mosquitto',
        enabled: true,
        topicFilters: ['sink/#'],
        configuration: {
          case: 'mqtt',
          value: { host: '127.0.0.1', port: broker.port, qos: 1, reconnectPeriod: { seconds: 1n } },
        },
        delivery: { ackStrategy: AckStrategy.RETRY_ALL, retries: 0, maxPause: { seconds: 2n } },
      },
    },
    { deadline: 25_000 },
  );
  using publisher = createClient(MessageService, penstock.address('gRPC'));
  const isMatched = async () =>
    (await publisher.publishMessage({ topicName: 'sink/probe' })).matchedIntegrations > 0;
  await waitUntil('ingress knows the filter', isMatched);

  const client = await connectAsync(`mqtt://${penstock.address('MQTT')}`, { protocolVersion: 5 });
  t.after(() => client.endAsync(true));
  let sent = 0;
  let isOver = false;
  const publishing = (async () => {
    for (const begin = performance.now(); !isOver; sent++) {
      await client.publishAsync(`sink/${sent}`, `${sent}`, { qos: 1 });
      await sleep(Math.max(0, begin + ((sent + 1) * 1000) / RATE - performance.now()));
    }
  })();
  for (let kill = 0; kill < KILLS; kill++) {
    await sleep(UP);
    await broker.stop('SIGKILL');
    await sleep(AWAY);
    await broker.start();
  }
  await sleep(UP);
  isOver = true;
  await publishing;

  // What mosquitto took, by its log: subscribers would miss what came before they were back.
  const taken = () =>
    new Set([...broker.log.matchAll(/Received PUBLISH from .*'sink\/(\d+)'/g)].map(([, n]) => n));
  await waitUntil('everything has arrived', () => taken().size === sent, 30_000).catch(() => {});
  const times = broker.log.match(/Received PUBLISH from .*'sink\/\d+'/g)?.length ?? 0;
  t.diagnostic(`${sent} sent, ${taken().size} taken, ${times - taken().size} twice`);
  assert.equal(taken().size, sent);
  assert.equal(broker.log.match(/mosquitto version .* running/g)?.length, KILLS + 1);
});
