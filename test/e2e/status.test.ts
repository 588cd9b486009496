import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClusterService, NodeRole } from '../../gen/penstock/v1/cluster_service_pb.ts';
import { IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { receiver } from '../helpers/receiver.ts';
import { installationForTests } from '../helpers/roles.ts';
import { collect } from '../helpers/stream.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const { ACTIVE, PENDING } = IntegrationState;
const { CONTROL_PLANE, EXECUTOR } = NodeRole;

test('an executor that is killed shows within seconds, and so does the next one', async (t) => {
  const endpoint = await receiver(t);
  const { start } = await installationForTests(t);
  const [first, second] = [await start('control-plane', 'cp-1'), await start('control-plane', 'cp-2')];
  using integrations = createClient(IntegrationService, first.address('gRPC'));
  using others = createClient(IntegrationService, second.address('gRPC'));
  using cluster = createClient(ClusterService, second.address('gRPC'));
  const nodes = async () => (await cluster.listNodes({})).nodes;
  const names = async () => (await nodes()).map(({ serviceId }) => serviceId).join();
  const executor = await start('executor', 'ie-1');
  const { integration } = await integrations.createIntegration({
    integration: {
      name: 'watched',
      enabled: true,
      topicFilters: ['#'],
      configuration: { case: 'http', value: { restEndpointUrl: endpoint.url } },
    },
  });
  const { id } = integration!;
  const watch = collect(t, (options) => others.watchIntegrations({}, options));
  const statusOf = async () => (await integrations.getIntegration({ id })).integration!.status!;
  const becomes = (state: IntegrationState, ms: number) =>
    waitUntil(`state ${state}`, async () => (await statusOf()).state === state, ms);
  const seen = () => watch.got.map((one) => one.integration!.status!.state);

  await becomes(ACTIVE, 15_000);
  assert.deepEqual(
    (await statusOf()).executors.map(({ serviceId }) => serviceId),
    ['ie-1'],
  );
  assert.equal(await names(), 'cp-1,cp-2,ie-1');
  const listed = (await nodes()).map(({ roles, integrationIds }) => [...roles, ...integrationIds]);
  assert.deepEqual(listed, [[CONTROL_PLANE], [CONTROL_PLANE], [EXECUTOR, id]]);
  await waitUntil('the watch shows it', () => seen().at(-1) === ACTIVE);

  executor.child.kill('SIGKILL');
  const killed = performance.now();
  await becomes(PENDING, 10_000);
  const { reason, executors } = await statusOf();
  assert.match(
    reason,
    /^executor ie-1 was last heard of at \S+Z; no running executor serves type http: start one$/,
  );
  assert.deepEqual(executors, []);
  assert.equal(await names(), 'cp-1,cp-2');
  await waitUntil('the watch shows it', () => seen().at(-1) === PENDING, 3000);
  const noticed = Math.round(performance.now() - killed);

  await start('executor', 'ie-2');
  await becomes(ACTIVE, 30_000);
  assert.deepEqual(
    (await statusOf()).executors.map(({ serviceId }) => serviceId),
    ['ie-2'],
  );
  assert.equal(await names(), 'cp-1,cp-2,ie-2');
  await waitUntil('the watch shows it', () => seen().at(-1) === ACTIVE, 3000);
  t.diagnostic(`killed, and shown as pending after ${noticed} ms`);

  // It may be the one that reads what nodes say: until another one does, nobody is taken for gone.
  first.child.kill('SIGKILL');
  const before = seen().length;
  await waitUntil('it is gone itself', async () => (await names()) === 'cp-2,ie-2', 30_000);
  assert.deepEqual(seen().slice(before), []);
  assert.equal(await second.stop('SIGTERM'), 0, second.output);
});
