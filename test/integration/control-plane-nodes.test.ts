import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { durationMs, timestampDate, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { NodeFiguresSchema, NodeRole } from '../../gen/penstock/v1/cluster_service_pb.ts';
import { DeliveryPolicySchema } from '../../gen/penstock/v1/delivery_pb.ts';
import { IntegrationState, IntegrationType } from '../../gen/penstock/v1/integration_pb.ts';
import { NodeReportSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import { LIMITED } from '../../src/contract/limits.ts';
import type { NodeState } from '../../src/control-plane/status/cluster.ts';
import { Database } from '../../src/control-plane/store/database.ts';
import { migrate } from '../../src/control-plane/store/migrate.ts';
import {
  forgetNodes,
  forgetStatistics,
  loadCluster,
  upsertNodes,
} from '../../src/control-plane/store/nodes.ts';
import { readSettings } from '../../src/runtime/settings.ts';
import { VERSION } from '../../src/runtime/version.ts';
import { controlPlaneForTests, executorForTests, HTTP } from '../helpers/control-plane.ts';
import { FIGURES, nodeForTests } from '../helpers/nodes.ts';
import { databaseForTests } from '../helpers/postgres.ts';
import { encodedReport, report } from '../helpers/reports.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const { ACTIVE, PENDING } = IntegrationState;
const HOUR = 3_600_000;

const node = (startTime: number, time: number, init: Partial<NodeState> = {}): NodeState => ({
  serviceId: 'e1',
  startTime: new Date(startTime),
  time: new Date(time),
  stopping: false,
  report: create(NodeReportSchema, { startTime: timestampFromMs(startTime) }),
  ...init,
});

test('nodes in the store', async (t) => {
  const url = await databaseForTests(t);
  await migrate(url, 10_000, testDeps());
  await using db = new Database(url, testDeps());
  const age = (serviceId: string, by: string) =>
    db.query('update nodes set last_seen = last_seen - $2::interval where service_id = $1', [serviceId, by]);
  const ageGap = (by: string) => db.query('update report_gap set until = until - $1::interval', [by]);
  const living = async () =>
    [...(await loadCluster(db)).values()].filter(({ isLiving }) => isLiving).map((one) => one.serviceId);
  const e1 = async () => (await loadCluster(db)).get('e1')!;

  await t.test('a report never overwrites a newer one, nor counts twice', async () => {
    await upsertNodes(db, [node(1000, 5000)]);
    await age('e1', '10 seconds');
    const { lastSeen } = await e1();
    for (const old of [node(1000, 5000), node(1000, 4000), node(500, 9000, { stopping: true })]) {
      await upsertNodes(db, [old]);
      assert.deepEqual((await e1()).lastSeen, lastSeen);
    }
    await upsertNodes(db, [node(2000, 3000)]);
    const { startTime, time } = await e1();
    assert.deepEqual([startTime.getTime(), time.getTime()], [2000, 3000]);
    assert.ok((await e1()).lastSeen > lastSeen);
  });

  await t.test('a node whose clock was set back is heard again, but no repetition', async () => {
    await age('e1', '2 minutes');
    await upsertNodes(db, [node(2000, 3000)]);
    assert.equal((await e1()).startTime.getTime(), 2000);
    await upsertNodes(db, [node(100, 200)]);
    assert.equal((await e1()).startTime.getTime(), 100);
  });

  await t.test('a silent node is gone only while others are heard', async () => {
    await upsertNodes(db, [node(1, 1, { serviceId: 'e2' })]);
    await ageGap('1 hour');
    await age('e1', '5 seconds');
    assert.ok((await e1()).isLiving);
    await age('e1', '2 seconds');
    assert.ok(!(await e1()).isLiving);
    await age('e2', '1 hour');
    assert.ok((await e1()).isLiving);
  });

  await t.test('after a time without reports each node has time to be heard again', async () => {
    await db.query('delete from nodes');
    await ageGap('1 hour');
    for (const serviceId of ['e1', 'e2', 'gone']) await upsertNodes(db, [node(1, 1, { serviceId })]);
    for (const serviceId of ['e1', 'e2']) await age(serviceId, '1 minute');
    await age('gone', '2 minutes');
    assert.deepEqual(await living(), ['e1', 'e2']);
    await upsertNodes(db, [node(1, 2, { serviceId: 'e2' })]);
    assert.deepEqual(await living(), ['e1', 'e2'], 'but who was gone before is not taken for back');
    await age('e2', '5 seconds');
    await ageGap('5 seconds');
    await upsertNodes(db, [node(1, 3, { serviceId: 'e2' })]); // they had stopped coming again
    assert.deepEqual(await living(), ['e1', 'e2']);
    await ageGap('7 seconds');
    assert.deepEqual(await living(), ['e2']);
  });

  await t.test('a node that stopped is gone at once', async () => {
    await upsertNodes(db, [node(1, 300, { stopping: true })]);
    const { isLiving, stopping } = await e1();
    assert.deepEqual([isLiving, stopping], [false, true]);
  });

  await t.test('nodes that are gone for long are forgotten', async () => {
    await age('e1', '1 day');
    await age('gone', '1 day');
    assert.equal(await forgetNodes(db, 12 * HOUR), 2);
    assert.deepEqual([...(await loadCluster(db)).keys()], ['e2']);
  });

  await t.test(
    'of the figures of forgotten nodes the last delivery of each integration is left',
    async () => {
      await db.query('delete from nodes');
      await upsertNodes(db, [node(1, 1)]);
      const [one, two] = [randomUUID(), randomUUID()];
      await db.query(
        `insert into integrations (id, name, description, type, enabled, enabled_change_time, generation, config,
         create_time, update_time) select id, '', '', 'http', true, now(), 1, '', now(), now() from unnest($1::uuid[]) id`,
        [[one, two]],
      );
      const figures = (id: string, shard: number, serviceId: string, delivered?: number) =>
        db.query(
          'insert into executor_statistics values ($1, $2, $3, now(), 1, null, to_timestamp($4), now())',
          [id, shard, serviceId, delivered],
        );
      await figures(one, 0, 'old1', 10);
      await figures(one, 1, 'old2', 20);
      await figures(one, 2, 'old2', 20);
      await figures(one, 0, 'old3');
      await figures(one, 0, 'e1', 5);
      await figures(two, 0, 'old1', 10);
      await figures(two, 0, 'e1', 15);
      await figures(two, 1, 'e1');
      await forgetStatistics(db);
      const left = await db.query<{ integration_id: string; shard: string; service_id: string }>(
        'select integration_id, shard, service_id from executor_statistics order by service_id, shard, integration_id = $1',
        [two],
      );
      assert.deepEqual(
        left.map((row) => [row.integration_id, Number(row.shard), row.service_id]),
        [
          [one, 0, 'e1'],
          [two, 0, 'e1'],
          [two, 1, 'e1'],
          [one, 2, 'old2'],
        ],
      );
    },
  );

  await t.test('after days without reports nobody is forgotten that may still run', async () => {
    await db.query('delete from nodes');
    for (const serviceId of ['e1', 'e2']) await upsertNodes(db, [node(1, 1, { serviceId })]);
    for (const serviceId of ['e1', 'e2']) await age(serviceId, '1 day');
    await ageGap('2 days');
    assert.equal(await forgetNodes(db, 12 * HOUR), 0);
    await upsertNodes(db, [node(1, 2)]);
    assert.equal(await forgetNodes(db, 12 * HOUR), 0, 'the other one has time to be heard');
    await ageGap('7 seconds');
    assert.equal(await forgetNodes(db, 12 * HOUR), 1);
  });
});

test('the system tells where MQTT is taken over WebSocket, and what it allows', {
  timeout: 120_000,
}, async (t) => {
  const limits = readSettings({ PENSTOCK_LIMIT_IN_FLIGHT: '77' }, {});
  const one = await controlPlaneForTests(t, { limits, statisticsInterval: 2500, eventsTtl: HOUR });
  const system = async () => (await one.system.getSystem({})).system!;
  const told = await system();
  assert.deepEqual([told.version, told.serviceId], [VERSION, 'cp']);
  assert.deepEqual([told.mqttWebsocketUrls, told.mqttWebsocketHere], [[], false]);
  assert.deepEqual([durationMs(told.statisticsInterval!), durationMs(told.eventsTtl!)], [2500, HOUR]);
  const limitOf = new Map(told.fieldLimits.map(({ field, limit, setting }) => [field, [limit, setting]]));
  assert.deepEqual(limitOf.get('delivery.max_in_flight'), [77n, 'PENSTOCK_LIMIT_IN_FLIGHT']);
  assert.equal(limitOf.size, Object.keys(LIMITED).length);

  const ingress = (serviceId: string, url: string) =>
    nodeForTests(t, one, { serviceId, roles: [NodeRole.INGRESS], types: [] }, url);
  const first = ingress('in-2', 'ws://b.example.com/mqtt');
  const twin = ingress('in-3', 'ws://b.example.com/mqtt');
  ingress('in-1', 'wss://a.example.com/mqtt');
  ingress('in-4', '');
  const urls = async () => (await system()).mqttWebsocketUrls.join();
  const both = 'wss://a.example.com/mqtt,ws://b.example.com/mqtt';
  await waitUntil('all are known', async () => (await one.cluster.listNodes({})).nodes.length === 5);
  await waitUntil('each address once', async () => (await urls()) === both);
  await first[Symbol.asyncDispose]();
  assert.equal(await urls(), both);
  await twin[Symbol.asyncDispose]();
  await waitUntil('who stopped is gone', async () => (await urls()) === 'wss://a.example.com/mqtt');
  assert.equal((await system()).mqttWebsocketHere, false);
  const here = nodeForTests(t, one, {
    serviceId: 'cp',
    roles: [NodeRole.CONTROL_PLANE, NodeRole.INGRESS],
    startTime: Date.now(),
  });
  await waitUntil('it is an ingress, too', async () => (await system()).mqttWebsocketHere);
  await here[Symbol.asyncDispose]();
});

test('nodes and what they run, on each control plane', { timeout: 120_000 }, async (t) => {
  const one = await controlPlaneForTests(t);
  const two = await controlPlaneForTests(t, { serviceId: 'cp2', postgresUrl: one.postgresUrl }, one);
  await executorForTests(t, one);
  const { client, bus, topics } = one;
  const startTime = Date.now() - 1000;
  const types = [IntegrationType.HTTP];
  const deliveryDefaults = { retries: 7 };
  await using e1 = nodeForTests(t, one, { serviceId: 'e1', types, startTime, deliveryDefaults });
  const names = async ({ cluster } = two) => (await cluster.listNodes({})).nodes.map((one) => one.serviceId);
  const statusOf = async (id: string, of = two) =>
    (await of.client.getIntegration({ id })).integration!.status!;
  const becomes = (id: string, state: IntegrationState) =>
    waitUntil(`state ${state}`, async () => (await statusOf(id)).state === state);
  const started = (id: string, serviceId: string) =>
    bus.send(topics.uplink.name, { key: id, value: encodedReport(report(id, { serviceId })) });
  const mqtt = { ...HTTP, configuration: { case: 'mqtt' as const, value: { host: 'localhost' } } };
  const [{ id }, { id: unserved }] = [
    (await client.createIntegration({ integration: HTTP })).integration!,
    (await client.createIntegration({ integration: mqtt })).integration!,
  ];

  await t.test('a node is listed with all that it says', async () => {
    await waitUntil('all are listed', async () => (await names()).length === 3);
    assert.deepEqual(await names(), ['cp', 'cp2', 'e1']);
    await started(id, 'e1');
    await becomes(id, ACTIVE);
    const [found] = (await two.cluster.listNodes({})).nodes.filter(({ serviceId }) => serviceId === 'e1');
    const { $typeName: _, $unknown: __, lastSeenTime, ...said } = found!;
    assert.deepEqual(said, {
      serviceId: 'e1',
      roles: [NodeRole.EXECUTOR],
      version: VERSION,
      types,
      integrationIds: [id],
      integrations: 1,
      startTime: timestampFromMs(startTime),
      warnings: [],
      figures: create(NodeFiguresSchema, FIGURES),
      deliveryDefaults: create(DeliveryPolicySchema, { retries: 7 }),
      mqttWebsocketUrl: '',
    });
    assert.ok(Math.abs(timestampDate(lastSeenTime!).getTime() - Date.now()) < 10_000);
  });

  await t.test('what a node warns of is listed with it, for as long as it does', async () => {
    const warned = async () =>
      (await two.cluster.listNodes({})).nodes.find(({ serviceId }) => serviceId === 'cp')?.warnings;
    one.warnings.set('disk', 'the disk is full');
    await waitUntil('it warns', async () => (await warned())?.[0] === 'the disk is full');
    one.warnings.set('disk', undefined);
    await waitUntil('it does not any more', async () => (await warned())?.length === 0);
  });

  await t.test('a type that no executor serves leaves its integrations pending, until one does', async () => {
    const { state, reason } = await statusOf(unserved);
    assert.deepEqual([state, reason], [PENDING, 'no running executor serves type mqtt: start one']);
    const e3 = nodeForTests(t, one, { serviceId: 'e3', types: [IntegrationType.MQTT] });
    const waiting = 'waiting for an executor of type mqtt';
    await waitUntil('it is served', async () => (await statusOf(unserved)).reason === waiting);
    await e3[Symbol.asyncDispose]();
    await waitUntil('it is not any more', async () => (await statusOf(unserved)).reason === reason);
  });

  await t.test('roles and types of a newer version are shown as they are', async () => {
    const newer = { serviceId: 'new', roles: [9 as NodeRole], types: [99 as IntegrationType] };
    await using _ = nodeForTests(t, one, newer);
    await waitUntil('it is listed', async () => (await names()).includes('new'));
    const found = (await two.cluster.listNodes({})).nodes.find(({ serviceId }) => serviceId === 'new');
    assert.deepEqual([found?.roles, found?.types], [newer.roles, newer.types]);
  });

  await t.test('an executor that says that it stops is gone at once, and what it ran waits', async () => {
    await e1[Symbol.asyncDispose]();
    await becomes(id, PENDING);
    assert.ok(!(await names(one)).includes('e1'));
    const { reason, executors } = await statusOf(id, one);
    assert.match(reason, /^executor e1 stopped at \S+Z; no running executor serves type http: start one$/);
    assert.deepEqual(executors, []);
    const filter = (state: IntegrationState) => client.listIntegrations({ filter: { states: [state] } });
    assert.deepEqual((await filter(ACTIVE)).integrations, []);
    const pending = (await filter(PENDING)).integrations;
    assert.ok(pending.some((found) => found.id === id && found.status?.reason === reason));
  });

  await t.test('what it ran before it was started again does not count', async () => {
    nodeForTests(t, one, { serviceId: 'e1', types, startTime: Date.now() });
    await waitUntil('it is back', async () => (await names()).includes('e1'));
    assert.equal((await statusOf(id)).reason, 'executor e1 was started again');
    const [found] = (await two.cluster.listNodes({})).nodes.filter(({ serviceId }) => serviceId === 'e1');
    assert.deepEqual(found?.integrationIds, []);
    await started(id, 'e1');
    await becomes(id, ACTIVE);
  });
});
