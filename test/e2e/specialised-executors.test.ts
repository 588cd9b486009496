import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type IntegrationSchema, IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { MessageService } from '../../gen/penstock/v1/message_service_pb.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { kafkaForTests } from '../helpers/kafka.ts';
import { kafkaTopic } from '../helpers/kafka-topic.ts';
import { receiver } from '../helpers/receiver.ts';
import { installationForTests } from '../helpers/roles.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const { ACTIVE, PENDING } = IntegrationState;

type Configuration = NonNullable<MessageInitShape<typeof IntegrationSchema>['configuration']>;

test('each executor runs the types that it serves, and a type that none serves waits', async (t) => {
  const endpoint = await receiver(t);
  const topic = await kafkaTopic(t);
  const { start } = await installationForTests(t);
  const [controlPlane, ingress] = [await start('control-plane', 'cp'), await start('ingress', 'in')];
  using integrations = createClient(IntegrationService, controlPlane.address('gRPC'));
  using messages = createClient(MessageService, ingress.address('gRPC'));
  const onlyHttp = await start('executor', 'http-only', { TB_SERVICE_INTEGRATIONS_SUPPORTED: 'HTTP' });
  await start('executor', 'all-others', { TB_SERVICE_INTEGRATIONS_EXCLUDED: 'HTTP' });
  const add = async (configuration: Configuration) => {
    const { integration } = await integrations.createIntegration(
      { integration: { name: configuration.case!, enabled: true, topicFilters: ['a'], configuration } },
      { deadline: 25_000 },
    );
    return integration!.id;
  };
  const http = await add({ case: 'http', value: { restEndpointUrl: endpoint.url } });
  const bootstrapServers = (await kafkaForTests()).split(',');
  const kafka = await add({ case: 'kafka', value: { bootstrapServers, topic: topic.name } });
  const statusOf = async (id: string) => (await integrations.getIntegration({ id })).integration!.status!;
  const runs = async (id: string) => {
    const { state, executors } = await statusOf(id);
    return [state, ...executors.map(({ serviceId }) => serviceId)].join();
  };
  await waitUntil('both run', async () => (await runs(http)) === `${ACTIVE},http-only`, 15_000);
  await waitUntil('both run', async () => (await runs(kafka)) === `${ACTIVE},all-others`, 15_000);

  assert.equal(await onlyHttp.stop('SIGTERM'), 0, onlyHttp.output);
  // It is pending as soon as its executor has given it up, and nobody serves the type once that has said that it stops.
  const isUnserved = async () => {
    const { state, reason } = await statusOf(http);
    return state === PENDING && /no running executor serves type http: start one$/.test(reason);
  };
  await waitUntil('nobody serves HTTP', isUnserved, 10_000);
  assert.equal(await runs(kafka), `${ACTIVE},all-others`);
  assert.equal(
    (await messages.publishMessage({ topicName: 'a', payload: Buffer.from('kept') })).matchedIntegrations,
    2,
  );
  await start('executor', 'http-again', { TB_SERVICE_INTEGRATIONS_SUPPORTED: 'http' });
  await waitUntil('what was published meanwhile has come', () => endpoint.received.length === 1, 30_000);
  await waitUntil('it runs again', async () => (await runs(http)) === `${ACTIVE},http-again`, 15_000);
});
