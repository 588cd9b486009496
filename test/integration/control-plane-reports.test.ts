import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { EventKind } from '../../gen/penstock/v1/event_service_pb.ts';
import {
  type IntegrationSchema,
  IntegrationState,
  IntegrationType,
} from '../../gen/penstock/v1/integration_pb.ts';
import type { UplinkRecord } from '../../gen/penstock/v1/uplink_pb.ts';
import type { RecordBatch } from '../../src/bus/group-reader.ts';
import { reportStore } from '../../src/control-plane/status/uplink.ts';
import { Database } from '../../src/control-plane/store/database.ts';
import { controlPlaneForTests, executorForTests, HTTP } from '../helpers/control-plane.ts';
import { nodeForTests } from '../helpers/nodes.ts';
import { encodedReport, failedStart, report } from '../helpers/reports.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { waitUntil } from '../helpers/wait-until.ts';

/** A part of a partition, from an offset on, that ended at `end` when it was read. */
function batchOf(topic: string, offset: number, end: number, records: readonly UplinkRecord[]): RecordBatch {
  return {
    topic,
    partition: 0,
    records: records.map((record, i) => ({
      topic,
      partition: 0,
      offset: offset + i,
      timestamp: 0,
      key: record.integrationId,
      value: encodedReport(record),
    })),
    endOffset: end,
    signal: new AbortController().signal,
  };
}

test('reports of executors, and lists', async (t) => {
  const system = await controlPlaneForTests(t);
  await executorForTests(t, system);
  nodeForTests(t, system);
  const { client, events, bus, topics, metrics } = system;
  const create = async (init: MessageInitShape<typeof IntegrationSchema> = HTTP) => {
    const { integration } = await client.createIntegration({ integration: init });
    return integration!;
  };
  const statusOf = async (id: string) => (await client.getIntegration({ id })).integration!.status!;
  const send = (record: UplinkRecord) =>
    bus.send(topics.uplink.name, { key: record.integrationId, value: encodedReport(record) });
  const eventsOf = async (integrationId: string) =>
    (await events.listEvents({ filter: { integrationId } })).events;
  const stateBecomes = (id: string, state: IntegrationState) =>
    waitUntil(`state ${state}`, async () => (await statusOf(id)).state === state);

  await t.test('the state follows the reports of the current generation', async () => {
    const { id } = await create();
    const started = report(id);
    await send(started);
    await stateBecomes(id, IntegrationState.ACTIVE);
    const { since, executors } = await statusOf(id);
    assert.deepEqual(since, started.time);
    assert.deepEqual(
      executors.map(({ serviceId }) => serviceId),
      ['e1'],
    );

    // Said again, it is as old as it was.
    await send(report(id, { time: timestampFromMs(timestampMs(started.time!) + 5000) }));
    await waitUntil('it is stored', async () => (await eventsOf(id)).length === 2);
    assert.deepEqual((await statusOf(id)).since, started.time);

    await send(report(id, { report: failedStart('no such host') }));
    await stateBecomes(id, IntegrationState.FAILED);
    assert.equal((await statusOf(id)).reason, 'no such host');

    await client.updateIntegration({ integration: { id, name: 'n' }, updateMask: { paths: ['name'] } });
    assert.equal((await statusOf(id)).state, IntegrationState.PENDING);
    await send(report(id, { generation: 2n }));
    await stateBecomes(id, IntegrationState.ACTIVE);
    await client.disableIntegration({ id });
    assert.equal((await statusOf(id)).state, IntegrationState.DISABLED);
  });

  await t.test('a report of an old generation does not overwrite a newer one', async () => {
    const { id } = await create();
    await send(report(id));
    await send(report(id, { generation: 0n, report: failedStart('old generation') }));
    await waitUntil('all are stored', async () => (await eventsOf(id)).length === 2);
    assert.equal((await statusOf(id)).state, IntegrationState.ACTIVE);
  });

  await t.test('what comes later counts, whatever the clocks say; a repetition does not', async () => {
    const { id } = await create();
    await using db = new Database(system.postgresUrl, system);
    const store = reportStore({ ...system, db, random: Math.random });
    const stores = (offset: number, end: number, ...records: UplinkRecord[]) =>
      store(batchOf(topics.uplink.name, offset, end, records));
    const [now, longAgo] = [Date.now(), Date.now() - 7_200_000];
    const nodeStartTime = timestampFromMs(now); // later than its clock tells now
    const said = (at: number, more: Parameters<typeof report>[1] = {}) =>
      report(id, { time: timestampFromMs(at), nodeStartTime, ...more });
    const figures = (at: number, lag: bigint) => said(at, { report: { case: 'statistics', value: { lag } } });
    const before = [said(now, { report: failedStart('no such host') }), figures(now, 7n)];
    const after = [said(longAgo), figures(longAgo, 5n)];
    const found = async () => {
      const { state, reason, lag } = await statusOf(id);
      return [state, reason, lag];
    };
    const active = [IntegrationState.ACTIVE, '', 5n];

    await stores(10, 12, ...before);
    assert.deepEqual(await found(), [IntegrationState.FAILED, 'no such host', 7n]);
    await stores(12, 14, ...after);
    assert.deepEqual(await found(), active);
    assert.equal((await eventsOf(id)).length, 4);
    await stores(10, 14, ...before);
    assert.deepEqual(await found(), active);
    // Another control plane read them before there were more, and is late.
    const old = said(longAgo - 1000, { report: failedStart('old') });
    await stores(8, 10, old, figures(longAgo - 1000, 1n));
    assert.deepEqual(await found(), active);
    // A topic that was made anew begins at 0.
    await stores(0, 2, ...before);
    assert.deepEqual(await found(), [IntegrationState.FAILED, 'no such host', 7n]);
  });

  await t.test(
    'a report that comes twice is stored once; one that cannot be read is stepped over',
    async () => {
      const { id } = await create();
      const twice = report(id);
      await send(twice);
      await bus.send(topics.uplink.name, { key: id, value: Buffer.from('not protobuf') });
      await bus.send(topics.uplink.name, { key: id, value: null });
      await send(twice);
      await send(report(id, { report: { case: 'error', value: { message: 'last', count: 1n } } }));
      await waitUntil('the last is stored', async () => (await eventsOf(id)).length >= 2);
      const found = await eventsOf(id);
      assert.deepEqual(found.map(({ event }) => event.case).sort(), ['error', 'lifecycle']);
      assert.ok(found.some((event) => event.id === twice.eventId && event.serviceId === 'e1'));
      const undecodable = await metrics.undecodable.get();
      assert.equal(undecodable.values.find(({ labels }) => labels.topic === topics.uplink.name)?.value, 2);
    },
  );

  await t.test('statistics: lag and last delivery in the status, one event a minute', async () => {
    const { id } = await create();
    const now = Date.now();
    const statistics = (at: number, lag: bigint) =>
      report(id, {
        time: timestampFromMs(at),
        report: { case: 'statistics', value: { lag, lastDeliveredTime: timestampFromMs(at - 5) } },
      });
    await send(report(id));
    await send(statistics(now - 70_000, 1n));
    await waitUntil('the first', async () => (await statusOf(id)).lag === 1n);
    await send(statistics(now - 60_000, 2n));
    await waitUntil('the second', async () => (await statusOf(id)).lag === 2n);
    await send(statistics(now - 5000, 3n));
    await waitUntil('the third', async () => (await statusOf(id)).lag === 3n);
    assert.deepEqual((await statusOf(id)).lastDeliveredTime, timestampFromMs(now - 5005));
    assert.equal((await eventsOf(id)).length, 3);
  });

  await t.test('a late report of a deleted integration is dropped', async () => {
    const [gone, there] = [await create(), await create()];
    await client.deleteIntegration({ id: gone.id });
    await send(report(gone.id));
    await send(report(there.id));
    await stateBecomes(there.id, IntegrationState.ACTIVE);
    await waitUntil('it is counted', async () => {
      const { values } = await metrics.suppressed.get();
      return values.some(({ labels, value }) => labels.kind === 'unknown_integration' && value > 0);
    });
    assert.deepEqual(await eventsOf(gone.id), []);
  });

  await t.test(
    'events come newest first, by kind and time, page by page, whatever comes in between',
    async () => {
      const { id } = await create();
      const start = Date.now() - 100_000;
      const error = (n: number) =>
        report(id, {
          time: timestampFromMs(start + n * 1000),
          report: { case: 'error', value: { message: String(n), count: 1n } },
        });
      for (let n = 0; n < 5; n++) await send(error(n));
      await send(report(id));
      await waitUntil('all are stored', async () => (await eventsOf(id)).length === 6);
      const filter = { integrationId: id, kinds: [EventKind.ERROR] };
      const messages = ({ events: found }: Awaited<ReturnType<typeof events.listEvents>>) =>
        found.map(({ event }) => event.case === 'error' && event.value.message);

      const first = await events.listEvents({ filter, pageSize: 2 });
      assert.deepEqual(messages(first), ['4', '3']);
      await send(error(9));
      await waitUntil('one more', async () => (await eventsOf(id)).length === 7);
      const second = await events.listEvents({ filter, pageSize: 2, pageToken: first.nextPageToken });
      assert.deepEqual(messages(second), ['2', '1']);
      const third = await events.listEvents({ filter, pageSize: 2, pageToken: second.nextPageToken });
      assert.deepEqual(messages(third), ['0']);
      assert.equal(third.nextPageToken, '');

      const forward: unknown[] = [];
      let pageToken = '';
      do {
        const page = await events.listEvents({ filter, pageSize: 4, pageToken, orderBy: 'time' });
        forward.push(...messages(page));
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      assert.deepEqual(forward, ['0', '1', '2', '3', '4', '9']);
      const other = { filter, orderBy: 'time', pageToken: first.nextPageToken };
      assert.deepEqual((await rpcRejection(() => events.listEvents(other))).fields, ['page_token']);

      const range = { startTime: timestampFromMs(start + 1000), endTime: timestampFromMs(start + 3000) };
      assert.deepEqual(messages(await events.listEvents({ filter: { ...filter, ...range } })), ['2', '1']);
    },
  );

  await t.test('integrations are listed page by page, whatever comes and goes in between', async () => {
    const mark = 'Paged_100%';
    const made = [];
    for (const n of [1, 2, 3, 4, 5]) made.push((await create({ ...HTTP, name: `${mark} ${n}` })).id);
    await create({ ...HTTP, name: 'Paged-100x' });
    const filter = { text: mark.toLowerCase() };
    const first = await client.listIntegrations({ filter, pageSize: 2 });
    assert.equal(first.totalSize, 5);
    made.push((await create({ ...HTTP, description: mark })).id);
    await client.deleteIntegration({ id: made[0]! });
    const ids = first.integrations.map(({ id }) => id);
    for (let pageToken = first.nextPageToken; pageToken !== ''; ) {
      const page = await client.listIntegrations({ filter, pageSize: 2, pageToken });
      ids.push(...page.integrations.map(({ id }) => id));
      pageToken = page.nextPageToken;
    }
    assert.deepEqual(ids, made);
  });

  await t.test('integrations are filtered by type and state', async () => {
    const name = 'filtered';
    const mqtt = { ...HTTP, name, configuration: { case: 'mqtt' as const, value: { host: 'localhost' } } };
    const [active, disabled, other] = [
      (await create({ ...HTTP, name })).id,
      (await create({ ...HTTP, name, enabled: false })).id,
      (await create(mqtt)).id,
    ];
    await send(report(active));
    await stateBecomes(active, IntegrationState.ACTIVE);
    const list = async (filter: { types?: IntegrationType[]; states?: IntegrationState[] }) => {
      const page = await client.listIntegrations({ filter: { text: name, ...filter } });
      assert.equal(page.totalSize, page.integrations.length);
      return page.integrations.map(({ id }) => id);
    };
    const { ACTIVE, DISABLED, PENDING, FAILED } = IntegrationState;
    assert.deepEqual(await list({ types: [IntegrationType.MQTT] }), [other]);
    assert.deepEqual(await list({ types: [IntegrationType.HTTP, IntegrationType.KAFKA] }), [
      active,
      disabled,
    ]);
    assert.deepEqual(await list({ states: [ACTIVE, DISABLED] }), [active, disabled]);
    assert.deepEqual(await list({ types: [IntegrationType.MQTT], states: [PENDING] }), [other]);
    assert.deepEqual(await list({ states: [FAILED] }), []);
  });
});
