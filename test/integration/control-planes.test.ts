import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { ValidationResponseSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { Database } from '../../src/control-plane/store/database.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { busForTests } from '../helpers/bus.ts';
import {
  CONFIG,
  controlPlaneForTests,
  downlinkForTests,
  executorForTests,
  HTTP,
} from '../helpers/control-plane.ts';
import { differences } from '../helpers/convergence.ts';
import { dyingControlPlane } from '../helpers/dying-control-plane.ts';
import { kafkaForTests } from '../helpers/kafka.ts';
import { onEnd } from '../helpers/on-end.ts';
import { databaseForTests } from '../helpers/postgres.ts';
import { encodedReport, report } from '../helpers/reports.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { waitUntil } from '../helpers/wait-until.ts';

/** Control-plane nodes a, b and c on one PostgreSQL and one Kafka. */
async function threeNodes(t: TestContext, checkTimeout = 4000) {
  const postgresUrl = await databaseForTests(t);
  const kafka = await busForTests(t);
  const start = (serviceId: string) =>
    controlPlaneForTests(t, { serviceId, postgresUrl, checkTimeout }, kafka);
  const nodes = { a: await start('a'), b: await start('b'), c: await start('c') };
  const db = new Database(postgresUrl, nodes.a);
  onEnd(t, () => db[Symbol.asyncDispose]());
  return { ...kafka, ...nodes, all: Object.values(nodes), start, db };
}
type Node = Awaited<ReturnType<typeof controlPlaneForTests>>;

const strays = async ({ metrics }: Node) => (await metrics.strayReplies.get()).values[0]?.value ?? 0;

test('every node gets the answers to its own questions; others are dropped and counted', async (t) => {
  const system = await threeNodes(t, 1000);
  const { a, b, c, all, bus, topics } = system;
  const executor = await executorForTests(t, system);
  const agree = executor.answer;
  const reply = (
    serviceId: string,
    requestId: string,
    init: MessageInitShape<typeof ValidationResponseSchema> = {},
  ) => {
    const response = create(ValidationResponseSchema, { serviceId: 'x', ...init, requestId });
    const value = toBinary(ValidationResponseSchema, response);
    return bus.send(topics.notifications(serviceId).name, { key: requestId, value });
  };
  const counts = () => Promise.all(all.map(strays));
  const counted = (expected: readonly number[]) =>
    waitUntil(`${expected} are counted`, async () => String(await counts()) === String(expected));

  await Promise.all(
    all.flatMap(({ client }) => [1, 2, 3].map(() => client.createIntegration({ integration: HTTP }))),
  );
  const asked = Object.groupBy(executor.asked, ({ replyTopic }) => replyTopic);
  const own = ['a', 'b', 'c'].map((id) => asked[topics.notifications(id).name]?.length);
  assert.deepEqual(own, [3, 3, 3]);
  assert.deepEqual(await counts(), [0, 0, 0]);

  // Each answer comes a second time, and says the opposite.
  executor.answer = (request) => {
    const violations = [{ field: 'http', description: 'too late' }];
    const again = () => reply('b', request.requestId, { violations });
    setTimeout(() => void again(), 100);
    return agree(request);
  };
  await b.client.createIntegration({ integration: HTTP });
  await counted([0, 1, 0]);

  // The answer comes when nobody waits for it any more.
  executor.answer = () => undefined;
  executor.asked.length = 0;
  const late = await rpcRejection(() => c.client.createIntegration({ integration: HTTP }));
  assert.equal(late.code, Code.DEADLINE_EXCEEDED);
  await reply('c', executor.asked[0]!.requestId);
  await counted([0, 1, 1]);

  // The answer to a question of another node, and to one that nobody asked.
  executor.answer = (request) => {
    void reply('a', request.requestId);
    return undefined;
  };
  const elsewhere = await rpcRejection(() => b.client.createIntegration({ integration: HTTP }));
  assert.equal(elsewhere.code, Code.DEADLINE_EXCEEDED, 'it is not b that was answered');
  await reply('a', randomUUID());
  await counted([2, 1, 1]);

  const { totalSize } = await a.client.listIntegrations({});
  assert.equal(totalSize, 10, 'what was not agreed to is not saved');
});

test('changes of one integration on several nodes have one order, in PostgreSQL and on Kafka', async (t) => {
  const system = await threeNodes(t);
  const { all, a, bus, topics, db } = system;
  await executorForTests(t, system);
  const downlink = await downlinkForTests(t, system);
  const { integration } = await a.client.createIntegration({
    integration: { ...HTTP, delivery: { maxExecutors: 2 } },
  });
  const { id } = integration!;
  let made = 1;
  const change = async ({ client }: Node, n: number) => {
    const name = `${n}`;
    const calls = [
      () => client.updateIntegration({ integration: { id, name }, updateMask: { paths: ['name'] } }),
      () =>
        client.updateIntegration({
          integration: { id, description: name },
          updateMask: { paths: ['description'] },
        }),
      () => client.disableIntegration({ id }),
      () => client.enableIntegration({ id }),
    ];
    // One that lost against too many others is told so, and has changed nothing.
    const error = await calls[n % calls.length]!().then(
      () => undefined,
      (reason) => reason,
    );
    if (error) assert.equal(error.code, Code.ABORTED);
    else made++;
  };
  await Promise.all(
    all.map(async (node, lane) => {
      for (let n = 0; n < 12; n++) await change(node, 12 * lane + n + lane);
    }),
  );
  const { integration: last } = await a.client.getIntegration({ id });
  const generation = Number(last?.generation);
  assert.ok(generation > 12 && generation <= made, `${generation} generations by ${made} changes`);
  for (const key of [id, `${id}/1`]) {
    await waitUntil('all is published', () => downlink.generations(key).at(-1) === generation);
    const expected = Array.from({ length: generation }, (_, n) => n + 1);
    assert.deepEqual(downlink.generations(key), expected, 'each once, in order');
  }
  assert.deepEqual(await differences(db, bus, topics), []);
});

test('one node at a time publishes, and when it stops another does', async (t) => {
  const system = await threeNodes(t);
  const { a, b, c, db, bus, topics } = system;
  await executorForTests(t, system);
  const downlink = await downlinkForTests(t, system);
  const leaders = async () =>
    (
      await db.query(
        "select from pg_stat_activity a join pg_locks l using (pid) where application_name = 'penstock-relay' and locktype = 'advisory' and granted and datname = current_database()",
      )
    ).length;
  const publishes = async ({ client }: Node) => {
    const { integration } = await client.createIntegration({ integration: HTTP });
    const { id } = integration!;
    await waitUntil('it is published', () => downlink.generations(id).length === 1, 10_000);
  };
  for (const node of [a, b, c]) {
    await publishes(c);
    assert.equal(await leaders(), 1);
    if (node !== c) await node.stop();
  }
  assert.deepEqual(await differences(db, bus, topics), []);
});

test('another node publishes when the one that did hangs', async (t) => {
  const postgresUrl = await databaseForTests(t);
  const prefix = `t${randomBytes(5).toString('hex')}`;
  const kafka = { ...(await busForTests(t)), topics: topicsOf(prefix) };
  const config = { ...CONFIG, serviceId: 'hanging', postgresUrl };
  const brokers = await kafkaForTests();
  const hanging = await dyingControlPlane(t, { config, brokers, prefix, point: 'before publishing' });
  const living = await controlPlaneForTests(t, { serviceId: 'living', postgresUrl }, kafka);
  using itsClient = createClient(IntegrationService, hanging.address);
  await executorForTests(t, kafka);
  const downlink = await downlinkForTests(t, kafka);
  const { integration } = await itsClient.createIntegration({ integration: HTTP });
  const { id } = integration!;
  const publishes = (generation: number) =>
    waitUntil('it is published', () => downlink.generations(id).at(-1) === generation, 20_000);
  await publishes(1);

  hanging.pause();
  const since = performance.now();
  const isSaved = () =>
    living.client.disableIntegration({ id }).then(
      () => true,
      () => false, // it hangs within a transaction
    );
  await waitUntil('it is saved', isSaved);
  await publishes(2);
  t.diagnostic(`published after ${Math.round(performance.now() - since)} ms`);

  hanging.goOn();
  const isBack = () =>
    itsClient.getIntegration({ id }).then(
      () => true,
      () => false,
    );
  await waitUntil('it is back', isBack);
  await itsClient.deleteIntegration({ id });
  await publishes(0);
  await using db = new Database(postgresUrl, living);
  assert.deepEqual(await differences(db, kafka.bus, kafka.topics), []);
});

test('reports are stored once, whoever stores them, and whoever leaves meanwhile', async (t) => {
  const system = await threeNodes(t);
  const { a, b, c, bus, topics, start } = system;
  await executorForTests(t, system);
  const ids: string[] = [];
  for (let n = 0; n < 6; n++) {
    const { integration } = await a.client.createIntegration({ integration: HTTP });
    ids.push(integration!.id);
  }
  const sent = new Map(ids.map((id) => [id, new Set<string>()]));
  const send = async (count: number) => {
    for (let n = 0; n < count; n++) {
      const one = report(ids[n % ids.length]!);
      sent.get(one.integrationId)!.add(one.eventId);
      const record = { key: one.integrationId, value: encodedReport(one) };
      await Promise.all([bus.send(topics.uplink.name, record), bus.send(topics.uplink.name, record)]);
    }
  };
  await send(60);
  await Promise.all([send(60), b.stop()]);
  await Promise.all([send(60), start('d'), c.stop()]);
  for (const id of ids) {
    const stored = async () => {
      const { events } = await a.events.listEvents({ filter: { integrationId: id }, pageSize: 1000 });
      return events.map((event) => event.id).toSorted();
    };
    const expected = [...sent.get(id)!].toSorted();
    await waitUntil('all are stored', async () => (await stored()).length >= expected.length, 30_000);
    assert.deepEqual(await stored(), expected);
  }
});
