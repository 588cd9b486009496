import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { RedriveState } from '../../gen/penstock/v1/dead_letter_service_pb.ts';
import { controlPlaneForTests, executorForTests, HTTP } from '../helpers/control-plane.ts';
import { giveUp } from '../helpers/messages.ts';
import { connectedClient } from '../helpers/postgres-client.ts';
import { waitUntil } from '../helpers/wait-until.ts';

async function systemForTests(t: TestContext, deadLetterCountInterval: number) {
  const system = await controlPlaneForTests(t, { deadLetterCountInterval });
  await executorForTests(t, system);
  const { client, deadLetters } = system;
  const create = async () => (await client.createIntegration({ integration: HTTP })).integration!.id;
  const count = async (id: string) =>
    Number((await client.getIntegration({ id })).integration!.status!.deadLetters);
  const counted = (id: string, wanted: number) =>
    waitUntil(`${wanted} are counted`, async () => (await count(id)) === wanted);
  const redriven = async (request: object) => {
    const { id } = (await deadLetters.startRedrive(request)).redrive!;
    const state = async () => (await deadLetters.getRedrive({ id })).redrive?.state;
    await waitUntil('it is over', async () => (await state()) === RedriveState.DONE);
  };
  return { ...system, create, count, counted, redriven };
}

test('dead letters are counted: those that come, that are put back, that go', async (t) => {
  const system = await systemForTests(t, 200);
  const { client, deadLetters, statistics, watch, bus, topics, create, count, counted, redriven } = system;
  const [id, none] = [await create(), await create()];
  const leaving = new AbortController();
  t.after(() => leaving.abort());
  const told: number[] = [];
  const watching = (async () => {
    for await (const { integrations } of watch.watch({ integrations: {} }, { signal: leaving.signal }))
      for (const { integration } of integrations)
        if (integration?.id === id) told.push(Number(integration.status?.deadLetters));
  })().catch(() => {});

  await giveUp(system, id, [0, 20]);
  await counted(id, 20);
  await waitUntil('whoever watches is told', async () => told.at(-1) === 20);
  await redriven({ integrationId: id, filter: { ids: ['0-3', '0-4', '0-9'] } });
  await counted(id, 17);
  // Marks that overlap count once.
  await redriven({ integrationId: id, filter: { ids: ['0-2', '0-3', '0-4', '0-5'], includeRedriven: true } });
  await counted(id, 15);
  await bus.deleteRecords(topics.deadLetters(id).name, new Map([[0, 4]])); // as retention does
  await counted(id, 13);
  const { totalSize } = await deadLetters.listDeadLetters({ integrationId: id });
  assert.equal(Number(totalSize), 13);
  const figures = (await statistics.listFigures({ integrationIds: [id, none] })).figures;
  assert.deepEqual(
    new Map(figures.map((one) => [one.integrationId, one.deadLetters])),
    new Map([
      [id, 13n],
      [none, 0n],
    ]),
  );
  const { integrations } = await client.listIntegrations({});
  assert.deepEqual(
    integrations.map(({ status }) => status?.deadLetters),
    [13n, 0n],
  );
  await bus.deleteTopics([topics.deadLetters(id).name]);
  await counted(id, 0);
  assert.equal(await count(none), 0);
  leaving.abort();
  await watching;
});

test('after a redrive and a purge they are counted at once, whichever node counts', async (t) => {
  const first = await systemForTests(t, 3_600_000);
  const config = { serviceId: 'cp2', postgresUrl: first.postgresUrl, deadLetterCountInterval: 3_600_000 };
  const second = await controlPlaneForTests(t, config, first);
  const id = await first.create();
  await giveUp(first, id, [0, 10]);
  assert.equal(await first.count(id), 0);
  await first.redriven({ integrationId: id, filter: { ids: ['0-0'] } });
  await first.counted(id, 9);
  for await (const _ of second.deadLetters.redriveDeadLetters({
    integrationId: id,
    filter: { ids: ['0-1'] },
  }));
  assert.equal(await first.count(id), 8);
  await second.deadLetters.purgeDeadLetters({ integrationId: id });
  assert.equal(await first.count(id), 0);
});

test('when the node that counts goes, another one counts', async (t) => {
  const first = await systemForTests(t, 200);
  const config = { serviceId: 'cp2', postgresUrl: first.postgresUrl, deadLetterCountInterval: 200 };
  const second = await controlPlaneForTests(t, config, first);
  const id = await first.create();
  await giveUp(first, id, [0, 5]);
  await first.counted(id, 5);
  await first.stop();
  await giveUp(second, id, [5, 8]);
  const count = async () => (await second.client.getIntegration({ id })).integration?.status?.deadLetters;
  await waitUntil('the other one counts', async () => (await count()) === 8n);
  // Also when its lock goes while it runs.
  await using database = await connectedClient(first.postgresUrl);
  await database.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'penstock-locks' and datname = current_database()",
  );
  await giveUp(second, id, [8, 9]);
  await waitUntil('it counts again', async () => (await count()) === 9n);
});
