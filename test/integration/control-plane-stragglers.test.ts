import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary, create as message, toBinary } from '@bufbuild/protobuf';
import { DownlinkRecordSchema } from '../../gen/penstock/v1/downlink_pb.ts';
import { IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import { UplinkRecordSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import { findIntegration } from '../../src/control-plane/store/integrations.ts';
import { controlPlaneForTests, HTTP } from '../helpers/control-plane.ts';
import { installation, restored, unsettled } from '../helpers/convergence.ts';
import { follow } from '../helpers/follow.ts';
import { waitUntil } from '../helpers/wait-until.ts';

test('records that land behind those that end them start nothing, and are put right', {
  timeout: 120_000,
}, async (t) => {
  const system = await installation(t);
  const { bus, topics, postgresUrl, kafka, filters, addExecutor } = system;
  const { client } = await controlPlaneForTests(t, { postgresUrl }, kafka);
  const topic = topics.downlink('http').name;
  const create = async (maxExecutors: number) =>
    (await client.createIntegration({ integration: { ...HTTP, delivery: { maxExecutors } } })).integration!
      .id;
  const [deleted, narrowed] = [await create(2), await create(2)];
  const settles = () =>
    waitUntil('all is as PostgreSQL has it', async () => (await unsettled(system)).length === 0);
  await settles();
  const before = await restored(bus, topics);
  await client.deleteIntegration({ id: deleted });
  await client.updateIntegration({
    integration: { id: narrowed, delivery: { maxExecutors: 1 } },
    updateMask: { paths: ['delivery.max_executors'] },
  });
  await settles();

  const started: string[] = [];
  using _ = await follow(bus, [topics.uplink.name], ({ value }) => {
    const { integrationId, shard, report } = fromBinary(UplinkRecordSchema, value!);
    if (report.case !== 'lifecycle' || report.value.state !== IntegrationState.ACTIVE) return;
    started.push(`${integrationId}/${shard}`);
  });
  started.length = 0;
  const keys = [deleted, `${deleted}/1`, `${narrowed}/1`];
  for (const key of keys) {
    await bus.send(topic, { key, value: toBinary(DownlinkRecordSchema, before.get(key)!) });
  }
  const isGone = async () => {
    const last = await restored(bus, topics);
    return keys.every((key) => !last.has(key));
  };
  await waitUntil('the tombstones are last again', isGone);
  assert.deepEqual([...filters.match('sensors/1')].length, 1, 'ingress takes nothing in for the deleted one');
  // One that begins now reads all of it.
  await addExecutor('ie-1');
  await settles();
  assert.deepEqual(
    started.filter((one) => one !== `${narrowed}/0`),
    [],
  );
});

test('what Kafka has lost of the integrations is published as newer than all that was known of them', {
  timeout: 120_000,
}, async (t) => {
  const system = await installation(t);
  const { bus, topics, postgresUrl, kafka, running } = system;
  const before = await controlPlaneForTests(t, { postgresUrl }, kafka);
  const { integration } = await before.client.createIntegration({ integration: HTTP });
  const { id, generation } = integration!;
  const wide = await before.client.createIntegration({
    integration: { ...HTTP, delivery: { maxExecutors: 2 } },
  });
  const wideId = wide.integration!.id;
  const settles = () =>
    waitUntil('all is as PostgreSQL has it', async () => (await unsettled(system)).length === 0);
  await settles();
  const record = (await restored(bus, topics)).get(wideId)!;
  await before.stop();
  // Its tombstone came when PostgreSQL was newer than the backup that it was set back to, and was compacted away since.
  const topic = topics.downlink('http').name;
  const gone = { gone: { generation: generation + 5n } };
  await bus.send(topic, {
    key: id,
    value: toBinary(DownlinkRecordSchema, message(DownlinkRecordSchema, gone)),
  });
  await bus.send(topic, { key: id, value: null });
  await waitUntil('the executor stops it', () => !running.has(`${id}/0`));
  await bus.deleteTopics([topic]);
  await waitUntil('the topic is gone', async () => !(await bus.listTopics()).includes(topic));
  await bus.createTopics([topics.downlink('http')]);
  // Of one with two shards, the record of one is there.
  await bus.send(topic, { key: wideId, value: toBinary(DownlinkRecordSchema, record) });

  const { client, revisions } = await controlPlaneForTests(t, { postgresUrl, serviceId: 'cp-2' }, kafka);
  await settles();
  const after = (await client.getIntegration({ id })).integration!;
  assert.equal(after.generation, generation + 1000n);
  assert.equal((await client.getIntegration({ id: wideId })).integration!.generation, 1001n);
  await client.disableIntegration({ id });
  const kept = (await revisions.listRevisions({ integrationId: id })).revisions;
  assert.deepEqual(
    kept.map((revision) => revision.generation),
    [1002n, 1n],
    'what it was before is kept',
  );
});

test('what Kafka was told of a time that PostgreSQL does not know is outdone, also behind what was published since', {
  timeout: 120_000,
}, async (t) => {
  const system = await installation(t);
  const { bus, topics, postgresUrl, kafka, db } = system;
  const before = await controlPlaneForTests(t, { postgresUrl }, kafka);
  const topic = topics.downlink('http').name;
  const create = async (maxExecutors: number) => {
    const { integration } = await before.client.createIntegration({
      integration: { ...HTTP, delivery: { maxExecutors } },
    });
    return integration!.id;
  };
  const [changed, waiting, same, narrowed] = [
    await create(1),
    await create(1),
    await create(1),
    await create(2),
  ];
  const settles = () =>
    waitUntil('all is as PostgreSQL has it', async () => (await unsettled(system)).length === 0, 60_000);
  await settles();
  const wide = await restored(bus, topics);
  await before.client.updateIntegration({
    integration: { id: narrowed, delivery: { maxExecutors: 1 } },
    updateMask: { paths: ['delivery.max_executors'] },
  });
  await settles();
  await before.stop();
  // Of the lost time: later generations, one as new as a change that is made after the restore, and a shard more.
  const tell = async (key: string, generation: bigint, filter: string) => {
    const record = wide.get(key)!;
    record.integration!.generation = generation;
    record.integration!.topicFilters = [filter];
    record.integration!.updateTime = { ...record.integration!.updateTime!, seconds: 1n };
    await bus.send(topic, { key, value: toBinary(DownlinkRecordSchema, record) });
  };
  await tell(changed, 6n, 'lost/1');
  await tell(waiting, 6n, 'lost/2');
  await tell(same, 2n, 'lost/3');
  for (const key of [narrowed, `${narrowed}/1`]) await tell(key, 8n, 'lost/4');
  // A row that was in the backup, and is published before anybody looks.
  await db.query(
    `insert into outbox (integration_id, generation, topic, key, value)
     select $1::uuid, 1, $2, $1::uuid::text, $3`,
    [waiting, topic, Buffer.from(toBinary(DownlinkRecordSchema, (await restoredOf(system, waiting))!))],
  );
  const { client } = await controlPlaneForTests(t, { postgresUrl, serviceId: 'cp-2' }, kafka);
  for (const id of [changed, same]) {
    await client.updateIntegration({
      integration: { id, description: 'after the restore' },
      updateMask: { paths: ['description'] },
    });
  }
  await settles();
  const generationOf = async (id: string) => (await client.getIntegration({ id })).integration!.generation;
  assert.ok((await generationOf(changed)) > 6n);
  assert.ok((await generationOf(waiting)) > 6n);
  assert.ok((await generationOf(same)) > 2n);
  assert.equal(await generationOf(narrowed), 9n, 'once for both shards');
});

/** The record of an integration as it is stored. */
async function restoredOf({ db }: Awaited<ReturnType<typeof installation>>, id: string) {
  const stored = await findIntegration(db, id);
  return (
    stored &&
    message(DownlinkRecordSchema, {
      integration: stored.integration,
      topicIncarnation: stored.topicIncarnation,
    })
  );
}
