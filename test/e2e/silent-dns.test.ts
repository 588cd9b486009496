import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AckStrategy } from '../../gen/penstock/v1/delivery_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { MessageService } from '../../gen/penstock/v1/message_service_pb.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { DnsServer } from '../helpers/dns-server.ts';
import { httpEndpoint } from '../helpers/http-endpoint.ts';
import { installationForTests } from '../helpers/roles.ts';
import { waitUntil } from '../helpers/wait-until.ts';
import { kafkaWithLinks } from './kit/own-servers.ts';

const kafkaServer = kafkaWithLinks();
const LOOPBACK = { addresses: ['127.0.0.1'], ttl: 0 };
/** As many as one integration has on its way. */
const MESSAGES = 64;

const toHttp = (host: string, port: number, topicFilter: string) => ({
  name: `to ${host}`,
  enabled: true,
  topicFilters: [topicFilter],
  configuration: { case: 'http' as const, value: { restEndpointUrl: `http://${host}:${port}/` } },
  delivery: { ackStrategy: AckStrategy.RETRY_ALL, retries: 0 },
});

test('DNS is silent about the name of one integration: its executor serves the others, and comes back to Kafka by its name', {
  timeout: 180_000,
}, async (t) => {
  const { server: kafka, brokersOf } = await kafkaServer();
  const dns = await DnsServer.start(t);
  const endpoint = await httpEndpoint(t);
  dns.set('silent.example', { fault: 'silent' });
  for (const name of ['good.example', 'kafka.example']) dns.set(name, LOOPBACK);
  const { start } = await installationForTests(t, { brokersOf });
  const [controlPlane, ingress] = [await start('control-plane', 'cp'), await start('ingress', 'in')];
  await start('executor', 'ie', {
    PENSTOCK_DNS_SERVERS: dns.address,
    TB_KAFKA_SERVERS: brokersOf('ie').replace('127.0.0.1', 'kafka.example'),
  });
  using integrations = createClient(IntegrationService, controlPlane.address('gRPC'));
  using messages = createClient(MessageService, ingress.address('gRPC'));
  const publish = async (topicName: string) => {
    const payload = Buffer.from(topicName);
    const sent = Array.from({ length: MESSAGES }, (_, i) =>
      messages.publishMessage({ topicName, payload, clientId: `c${i}` }),
    );
    for (const { matchedIntegrations } of await Promise.all(sent)) assert.equal(matchedIntegrations, 1);
  };
  const arrived = (count: number) =>
    waitUntil(`${count} have arrived`, () => endpoint.received.length >= count, 60_000);

  await integrations.createIntegration({ integration: toHttp('silent.example', 80, 'silent/#') });
  await publish('silent/a');
  await waitUntil('its name is asked for', () => dns.count('silent.example') > 0);
  // A name that is checked, another one that is delivered to.
  const good = toHttp('good.example', endpoint.port, 'good/#');
  const checked = await integrations.checkConnection({ target: { case: 'integration', value: good } });
  assert.equal(checked.reachable, true, checked.message);
  const before = endpoint.received.length;
  await integrations.createIntegration({ integration: good });
  await publish('good/a');
  await arrived(before + MESSAGES);

  const lookups = dns.count('kafka.example');
  await kafka.kill();
  await kafka.start();
  await publish('good/b');
  await arrived(before + 2 * MESSAGES);
  assert.ok(dns.count('kafka.example') > lookups, 'Kafka was looked up again');
  assert.ok(dns.count('silent.example') > 2, 'and the silent name is still tried');
});
