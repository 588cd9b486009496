import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { MessageService } from '../../gen/penstock/v1/message_service_pb.ts';
import { startProcess } from '../../src/process.ts';
import type { Role } from '../../src/role.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { readSettings } from '../../src/runtime/settings.ts';
import { httpEndpoint } from '../helpers/http-endpoint.ts';
import { kafkaForTests } from '../helpers/kafka.ts';
import { onEnd } from '../helpers/on-end.ts';
import { databaseForTests } from '../helpers/postgres.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const SKEW = 120_000;

/** Roles in this process whose machine's clock is wrong by so much. */
async function roles(t: TestContext, roles: readonly Role[], wrong: number, env: NodeJS.ProcessEnv) {
  const clock = { ...systemClock, now: () => systemClock.now() + wrong };
  const settings = readSettings(env);
  const started = await startProcess(roles, settings, { ...testDeps(), clock }, new AbortController().signal);
  onEnd(t, () => started[Symbol.asyncDispose]());
  return started;
}

test('messages with a short expiry are delivered, however wrong the clocks of ingress and executor are', async (t) => {
  const endpoint = await httpEndpoint(t);
  const shared = {
    TB_KAFKA_SERVERS: await kafkaForTests(),
    PENSTOCK_POSTGRES_URL: await databaseForTests(t),
    PENSTOCK_KAFKA_PREFIX: `t${randomBytes(5).toString('hex')}`,
    PENSTOCK_GRPC_PORT: '0',
    PENSTOCK_HTTP_PORT: '0',
    PENSTOCK_MQTT_PORT: '0',
  };
  const node = (serviceId: string) => ({ ...shared, TB_SERVICE_ID: serviceId });
  const controlPlane = await roles(t, ['control-plane'], 0, node('cp'));
  await roles(t, ['executor'], SKEW, node('ie'));
  const ingress = await roles(t, ['ingress'], -SKEW, node('in'));
  using integrations = createClient(IntegrationService, controlPlane.grpcAddress);
  using messages = createClient(MessageService, ingress.grpcAddress);
  await integrations.createIntegration(
    {
      integration: {
        name: 'short-lived',
        enabled: true,
        topicFilters: ['a'],
        configuration: { case: 'http', value: { restEndpointUrl: endpoint.url } },
      },
    },
    { deadline: 25_000 },
  );
  const publish = (messageExpiryInterval: number) =>
    messages.publishMessage({ topicName: 'a', messageExpiryInterval });
  await publish(10);
  await waitUntil('it is delivered', () => endpoint.received.length === 1);
  const { ts } = JSON.parse(endpoint.received[0]!.body.toString());
  assert.ok(Math.abs(Number(ts) - Date.now()) < 30_000, `received at ${ts}`);
});
