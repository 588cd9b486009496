import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import { busForTests } from '../helpers/bus.ts';
import { controlPlaneForTests, executorForTests, HTTP } from '../helpers/control-plane.ts';
import { httpEndpoint } from '../helpers/http-endpoint.ts';
import { copyOfDatabase, databaseForTests } from '../helpers/postgres.ts';
import { publish, realExecutor } from '../helpers/real-executor.ts';
import { keyRing } from '../helpers/secret-keys.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const to = (restEndpointUrl: string, password = '') => ({
  case: 'http' as const,
  value: {
    restEndpointUrl,
    sendOnlyMsgPayload: true,
    ...(password && {
      credentials: { credentials: { case: 'basic' as const, value: { username: 'me', password } } },
    }),
  },
});

type System = Awaited<ReturnType<typeof controlPlaneForTests>>;

async function statusOf({ client }: System, id: string) {
  return (await client.getIntegration({ id })).integration!.status!;
}

/** Resolves once they run, of the generation that PostgreSQL has, on this executor. */
const run = (system: System, ids: readonly string[], serviceId: string) =>
  waitUntil(`they run on ${serviceId}`, async () => {
    const states = await Promise.all(ids.map((id) => statusOf(system, id)));
    return states.every(
      ({ state, executors }) =>
        state === IntegrationState.ACTIVE && executors.some((one) => one.serviceId === serviceId),
    );
  });

test("after a restore of yesterday's backup, with a lost key, those that need their secrets again say so, and all others run as they were then", {
  timeout: 120_000,
}, async (t) => {
  const kafka = await busForTests(t);
  const endpoint = await httpEndpoint(t);
  const url = (path: string) => new URL(path, endpoint.url).href;
  const rings = { now: keyRing('old') };
  const keys = () => rings.now;
  const yesterday = await databaseForTests(t);

  const first = await controlPlaneForTests(t, { postgresUrl: yesterday }, kafka, keys);
  const answering = await executorForTests(t, first);
  const old = await realExecutor(t, first, 'ie-0', keys);
  const make = async ({ client }: System, name: string, configuration: ReturnType<typeof to>) =>
    (await client.createIntegration({ integration: { ...HTTP, name, configuration } })).integration!.id;
  const lost = await make(first, 'lost', to(url('/lost'), 'secret'));
  const [same, changed, deleted] = [
    await make(first, 'same', to(url('/same'))),
    await make(first, 'changed', to(url('/of-yesterday'))),
    await make(first, 'deleted', to(url('/deleted'))),
  ];
  await run(first, [lost, same, changed, deleted], 'ie-0');
  await first.stop();
  const backup = await copyOfDatabase(t, yesterday);

  const second = await controlPlaneForTests(t, { postgresUrl: yesterday, serviceId: 'cp-2' }, kafka, keys);
  for (const path of ['/first', '/of-today']) {
    await second.client.updateIntegration({
      integration: { id: changed, configuration: to(url(path)) },
      updateMask: { paths: ['http.rest_endpoint_url'] },
    });
  }
  await second.client.deleteIntegration({ id: deleted });
  const created = await make(second, 'created', to(url('/created')));
  await run(second, [changed, created], 'ie-0');
  await waitUntil('the topic of the deleted one is gone', async () => {
    return !(await kafka.bus.listTopics()).includes(kafka.topics.messages(deleted).name);
  });
  await second.stop();

  // The database and the key are lost; the executor runs on.
  rings.now = keyRing('new');
  answering.answer = () => undefined;
  const config = { postgresUrl: backup, serviceId: 'cp-3', orphanDelay: 1000 };
  const system = await controlPlaneForTests(t, config, kafka, keys);
  await waitUntil('what is stored is newer than what was told meanwhile', async () => {
    const all = await Promise.all([changed, deleted].map((id) => system.client.getIntegration({ id })));
    return all.every(({ integration }) => integration!.generation > 1n);
  });
  await run(system, [same, changed, deleted], 'ie-0');
  for (const id of [same, changed, deleted, created]) {
    await publish(system, id, id);
    await waitUntil('it delivers', () => endpoint.received.some(({ body }) => `${body}` === id));
  }
  const pathOf = (id: string) => endpoint.received.find(({ body }) => `${body}` === id)?.path;
  assert.deepEqual([same, changed, deleted, created].map(pathOf), [
    '/same',
    '/of-yesterday',
    '/deleted',
    '/created',
  ]);

  // Whoever starts from now on has the new key alone.
  await realExecutor(t, system, 'ie-1', keys);
  await old[Symbol.asyncDispose]();
  await run(system, [same, changed, deleted], 'ie-1');
  await waitUntil('the lost one says so', async () => {
    return (await statusOf(system, lost)).state === IntegrationState.FAILED;
  });
  assert.match(
    (await statusOf(system, lost)).reason,
    /http\.credentials\.basic\.password: cannot be decrypted, the key "old"/,
  );
  await waitUntil('the node warns', () => system.warnings.all().join().includes(lost));

  // A change is newer than all that was known of it.
  await system.client.updateIntegration({
    integration: { ...HTTP, id: lost, name: 'lost', configuration: to(url('/lost'), 'again') },
  });
  await system.client.updateIntegration({
    integration: { id: changed, configuration: to(url('/after')) },
    updateMask: { paths: ['http.rest_endpoint_url'] },
  });
  await run(system, [lost, changed], 'ie-1');
  await publish(system, changed, 'after');
  await publish(system, lost, 'again');
  await waitUntil(
    'both deliver',
    () =>
      endpoint.received.some(({ path }) => path === '/after') &&
      endpoint.received.some(({ path }) => path === '/lost'),
  );
});
