import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { create, toBinary } from '@bufbuild/protobuf';
import { DownlinkRecordSchema } from '../../gen/penstock/v1/downlink_pb.ts';
import { type Topic, topicsOf } from '../../src/bus/topics.ts';
import { startTopicSweep } from '../../src/control-plane/cleanup.ts';
import { planTopicDeletion } from '../../src/control-plane/store/topic-deletions.ts';
import { orphanSweep } from '../../src/control-plane/topics/orphans.ts';
import { cleanupWorld } from '../helpers/cleanup-world.ts';
import { controlPlaneForTests, executorForTests, HTTP } from '../helpers/control-plane.ts';
import { onEnd } from '../helpers/on-end.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const DELAY = 400;
const never = new AbortController().signal;

test('topics without an integration go, after a while, and nothing else', async (t) => {
  const world = await cleanupWorld(t);
  const { bus, topics, node, db, add, hasTopic, age } = world;
  const look = orphanSweep({ ...node(), bus, orphanDelay: DELAY });
  const sweep = startTopicSweep({ ...node(), bus });
  onEnd(t, () => sweep[Symbol.asyncDispose]());
  const other = topicsOf(`t${randomBytes(5).toString('hex')}`);
  const [orphan, saved, planned, running] = [randomUUID(), await add(), randomUUID(), randomUUID()];
  const withdrawn = await add(false);
  await age(withdrawn);
  await planTopicDeletion(db, planned, 60_000); // as a creation does that is under way
  const record = create(DownlinkRecordSchema, { integration: { id: running } });
  await bus.send(topics.downlink('http').name, {
    key: running,
    value: toBinary(DownlinkRecordSchema, record),
  });
  const odd: Topic = { ...topics.messages(orphan), name: `${topics.messages(orphan).name}-copy` };
  const strange = [topics.messages(planned), topics.messages(running), odd, other.messages(orphan)];
  const doomed = [topics.messages(orphan), topics.deadLetters(orphan)];
  await bus.createTopics([...doomed, ...strange]);
  onEnd(t, () => bus.deleteTopics(strange.map(({ name }) => name)));

  const names = async () => new Set(await bus.listTopics());
  await look(never);
  await look(never);
  await sleep(100);
  assert.ok((await names()).has(doomed[0]!.name), 'not at once');
  await sleep(DELAY);
  await look(never);
  sweep.wake();
  await waitUntil('they are gone', async () => {
    const there = await names();
    return doomed.every(({ name }) => !there.has(name));
  });
  await sleep(DELAY);
  await look(never);
  const left = await db.query('select from topic_deletions where due_time < now()');
  assert.equal(left.length, 0, 'nothing else is to be deleted');
  const there = await names();
  for (const { name } of strange) assert.ok(there.has(name), name);
  for (const id of [saved, withdrawn]) assert.ok(await hasTopic(id));

  await bus.deleteTopics([topics.messages(saved).name]);
  await db.query("update integrations set topic_state = 'deleted' where id = $1", [withdrawn]);
  await bus.deleteTopics([topics.messages(withdrawn).name]);
  await look(never);
  assert.deepEqual([await hasTopic(saved), await hasTopic(withdrawn)], [true, false], 'made anew');
});

test('the notification topic of a node that is gone goes, that of a living one stays', async (t) => {
  const world = await cleanupWorld(t);
  const { bus, topics, node, postgresUrl } = world;
  const alive = await controlPlaneForTests(t, { postgresUrl, serviceId: 'alive' }, world);
  const gone = await controlPlaneForTests(t, { postgresUrl, serviceId: 'gone' }, world);
  const look = orphanSweep({ ...node(), serviceId: 'alive', bus, orphanDelay: 1 });
  const there = async () => {
    const names = await bus.listTopics();
    return ['alive', 'gone'].filter((id) => names.includes(topics.notifications(id).name));
  };
  const looks = async () => {
    for (let n = 0; n < 2; n++) {
      await sleep(5);
      await look(never);
    }
  };
  await looks();
  assert.deepEqual(await there(), ['alive', 'gone']);
  await gone.stop();
  await waitUntil('it is swept', async () => {
    await looks();
    return (await there()).length === 1;
  });
  assert.deepEqual(await there(), ['alive']);
  // It may come back.
  const back = await controlPlaneForTests(t, { postgresUrl, serviceId: 'gone' }, world);
  await looks();
  assert.deepEqual(await there(), ['alive', 'gone']);
  await back.stop();
  await alive.stop();
});

test('a living node whose notification topic was swept makes it anew, and is answered on it', async (t) => {
  const system = await controlPlaneForTests(t, { serviceId: 'cut-off', orphanDelay: 1000 });
  const { bus, topics, client } = system;
  await executorForTests(t, system);
  await client.createIntegration({ integration: HTTP });
  const { name } = topics.notifications('cut-off');
  const isThere = async () => (await bus.listTopics()).includes(name);
  await bus.deleteTopics([name]);
  await waitUntil('it is there again', isThere);
  const answered = () =>
    client.createIntegration({ integration: HTTP }).then(
      () => true,
      () => false,
    );
  await waitUntil('it is answered', answered);
});
