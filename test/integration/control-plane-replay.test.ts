import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fromBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import { type Replay, ReplayState } from '../../gen/penstock/v1/replay_service_pb.ts';
import { type Bus, BusError, type IncomingRecord } from '../../src/bus/bus.ts';
import type { Topics } from '../../src/bus/topics.ts';
import { busForTests } from '../helpers/bus.ts';
import { commitForExecutors } from '../helpers/committing.ts';
import { controlPlaneForTests, executorForTests, HTTP } from '../helpers/control-plane.ts';
import { messagesOf, publish } from '../helpers/messages.ts';
import { connectedClient } from '../helpers/postgres-client.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const numberOf = ({ value }: IncomingRecord) =>
  Number(Buffer.from(fromBinary(EnvelopeSchema, value!).payload).toString());
const numbers = (start: number, end: number) => Array.from({ length: end - start }, (_, i) => start + i);
const textOf = ({ key, value }: IncomingRecord) => `${key} ${Buffer.from(value!).toString('hex')}`;

async function systemForTests(t: TestContext, kafka?: { readonly bus: Bus; readonly topics: Topics }) {
  const system = await controlPlaneForTests(t, {}, kafka);
  await executorForTests(t, system);
  const { client, replays, bus, topics } = system;
  const create = async (init: object = {}) =>
    (await client.createIntegration({ integration: { ...HTTP, ...init } })).integration!.id;
  const get = async (id: string) => (await replays.getReplay({ id })).replay!;
  /** Starts a replay and waits until it is over. */
  const replay = async (request: object): Promise<Replay> => {
    const { id } = (await replays.startReplay(request)).replay!;
    await waitUntil('it is over', async () => (await get(id)).state !== ReplayState.RUNNING);
    return get(id);
  };
  /** What is on the message topic after offset `from`. */
  const sentTo = async (integrationId: string, from = 0) =>
    (await messagesOf(system, integrationId)).filter(({ offset }) => offset >= from);
  const endOf = async (integrationId: string) =>
    (await bus.offsets(topics.messages(integrationId).name)).get(0)!.end;
  return { ...system, create, get, replay, sentTo, endOf };
}

test('replays', async (t) => {
  const system = await systemForTests(t);
  const { replays, create, get, replay, sentTo, endOf, bus, topics, client } = system;

  await t.test(
    'everything there, byte for byte and key for key, into the same topic, and it ends',
    async () => {
      const integrationId = await create();
      await publish(system, integrationId, [0, 300]);
      const { name } = topics.messages(integrationId);
      await bus.send(name, { key: null, value: Buffer.from('not an envelope') });
      await commitForExecutors(system, [{ topic: name, partition: 0, offset: 17 }]);

      const { state, total, replayed, reason, createTime, finishTime, ...rest } = await replay({
        integrationId,
      });
      assert.deepEqual([state, total, replayed, reason], [ReplayState.DONE, 301n, 301n, '']);
      assert.ok(createTime && finishTime);
      assert.deepEqual([rest.integrationId, rest.targetIntegrationId], [integrationId, integrationId]);
      const messages = await sentTo(integrationId);
      assert.equal(messages.length, 602);
      assert.deepEqual(messages.slice(301).map(textOf), messages.slice(0, 301).map(textOf));
      assert.deepEqual(await bus.committed(topics.executors, name), new Map([[0, { offset: 17 }]]));
    },
  );

  await t.test('one that is asked for again is started once', async () => {
    const integrationId = await create();
    await publish(system, integrationId, [0, 5]);
    const request = { integrationId, requestId: randomUUID() };
    const started = await Promise.all([1, 2, 3].map(() => replays.startReplay(request)));
    await waitUntil('it is over', async () => (await get(request.requestId)).state === ReplayState.DONE);
    started.push(await replays.startReplay(request));
    assert.deepEqual([...new Set(started.map((answer) => answer.replay?.id))], [request.requestId]);
    assert.equal(await endOf(integrationId), 10);
    const { code, fields } = await rpcRejection(() =>
      replays.startReplay({ integrationId, requestId: 'no UUID' }),
    );
    assert.deepEqual([code, ...fields], [Code.INVALID_ARGUMENT, 'request_id']);
  });

  await t.test('by time', async () => {
    const integrationId = await create();
    const times: number[] = [];
    for (let i = 0; i < 4; i++) {
      await publish(system, integrationId, [i * 10, i * 10 + 10]);
      await sleep(20);
      times.push(Date.now());
      await sleep(20);
    }
    const [startTime, endTime] = [timestampFromMs(times[0]!), timestampFromMs(times[2]!)];
    const sentBy = async (request: object) => {
      const from = await endOf(integrationId);
      const { state, total } = await replay({ integrationId, ...request });
      const sent = (await sentTo(integrationId, from)).map(numberOf);
      assert.deepEqual([state, Number(total)], [ReplayState.DONE, sent.length]);
      return sent;
    };
    assert.deepEqual(await sentBy({ startTime, endTime }), numbers(10, 30));
    assert.deepEqual(await sentBy({ endTime: timestampFromMs(times[0]!) }), numbers(0, 10));
    const late = timestampFromMs(Date.now() + 60_000);
    assert.deepEqual(await sentBy({ startTime: late }), []);
    assert.deepEqual(await sentBy({ startTime: timestampFromMs(times[2]!), endTime: late }), [
      ...numbers(30, 40),
      ...numbers(10, 30),
      ...numbers(0, 10),
    ]);
  });

  await t.test('by offsets', async () => {
    const integrationId = await create();
    await publish(system, integrationId, [0, 50]);
    const offsetRanges = [{ partition: 0, startOffset: 7n, endOffset: 19n }];
    const done = await replay({ integrationId, offsetRanges });
    assert.deepEqual([done.state, done.total, done.replayed], [ReplayState.DONE, 12n, 12n]);
    assert.deepEqual((await sentTo(integrationId, 50)).map(numberOf), numbers(7, 19));
    assert.equal(done.offsetRanges[0]?.endOffset, 19n);
  });

  await t.test('into another integration, under the keys of its order', async () => {
    const [integrationId, byTopic] = [
      await create(),
      await create({ delivery: { order: { key: { case: 'topic', value: {} } } } }),
    ];
    await publish(system, integrationId, [0, 30]);
    const { name } = topics.messages(integrationId);
    await bus.send(name, { key: 'as it was', value: Buffer.from([255]) });
    const done = await replay({ integrationId, targetIntegrationId: byTopic });
    assert.deepEqual([done.state, done.replayed], [ReplayState.DONE, 31n]);
    const [before, after] = [await sentTo(integrationId), await sentTo(byTopic)];
    assert.equal(before.length, 31);
    assert.deepEqual(
      after.map(({ value }) => value?.toString()),
      before.map(({ value }) => value?.toString()),
    );
    const keys = after.map(({ key }) => key);
    assert.deepEqual(keys, [...numbers(0, 30).map((i) => `sensors/${i % 2}`), 'as it was']);
  });

  await t.test('what retention took away before it was read is told', async () => {
    const integrationId = await create();
    await publish(system, integrationId, [0, 30]);
    const { id } = (await replays.startReplay({ integrationId, maxRate: 10 })).replay!;
    await waitUntil('it has begun', async () => (await get(id)).replayed > 0n);
    // The records in its hands it still has: those of the node that takes over are gone.
    await bus.deleteRecords(topics.messages(integrationId).name, new Map([[0, 30]]));
    await using database = await connectedClient(system.postgresUrl);
    await database.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'penstock-locks' and datname = current_database()",
    );
    await waitUntil('it is over', async () => (await get(id)).state === ReplayState.DONE);
    const { replayed, reason } = await get(id);
    assert.ok(replayed < 30n);
    assert.match(reason, new RegExp(`^${30n - replayed} messages were removed`));
  });

  await t.test('one that is cancelled stops; what it sent stays sent', async () => {
    const integrationId = await create();
    await publish(system, integrationId, [0, 200]);
    const { id } = (await replays.startReplay({ integrationId, maxRate: 20 })).replay!;
    await waitUntil('it has begun', async () => (await get(id)).replayed > 0n);
    const cancelled = (await replays.cancelReplay({ id })).replay!;
    assert.equal(cancelled.state, ReplayState.CANCELLED);
    await sleep(1000);
    const { replayed, finishTime } = await get(id);
    assert.ok(replayed < 100n && finishTime);
    await sleep(1000);
    assert.equal((await get(id)).replayed, replayed);
    assert.equal(await endOf(integrationId), 200 + Number(replayed));
    assert.deepEqual((await replays.cancelReplay({ id })).replay, await get(id));
  });

  await t.test('no faster than its rate', async () => {
    const integrationId = await create();
    await publish(system, integrationId, [0, 30]);
    const start = performance.now();
    await replay({ integrationId, maxRate: 20 });
    assert.ok(performance.now() - start > 1300);
  });

  await t.test('what makes no sense is refused, by its field', async () => {
    const integrationId = await create();
    await publish(system, integrationId, [0, 10]);
    await bus.deleteRecords(topics.messages(integrationId).name, new Map([[0, 2]]));
    const refused = async (init: object) => {
      const { code, fields } = await rpcRejection(() => replays.startReplay({ integrationId, ...init }));
      assert.equal(code, Code.INVALID_ARGUMENT);
      return fields;
    };
    const [early, late] = [timestampFromMs(1000), timestampFromMs(2000)];
    const range = (startOffset: bigint, endOffset: bigint, partition = 0) => ({
      partition,
      startOffset,
      endOffset,
    });
    assert.deepEqual(await refused({ startTime: late, endTime: early }), ['start_time']);
    assert.deepEqual(await refused({ startTime: early, offsetRanges: [range(2n, 3n)] }), ['offset_ranges']);
    assert.deepEqual(await refused({ targetIntegrationId: randomUUID() }), ['target_integration_id']);
    assert.deepEqual(
      await refused({
        offsetRanges: [range(2n, 11n), range(2n, 3n, 4), range(2n, 3n)],
      }),
      ['offset_ranges[0].end_offset', 'offset_ranges[1].partition', 'offset_ranges[2].partition'],
    );
    assert.deepEqual(await refused({ offsetRanges: [range(5n, 4n)] }), ['offset_ranges[0].start_offset']);
    assert.deepEqual(await refused({ offsetRanges: [range(1n, 4n)] }), ['offset_ranges[0].start_offset']);
    const id = randomUUID();
    for (const call of [
      () => replays.startReplay({ integrationId: id }),
      () => replays.getReplay({ id }),
      () => replays.cancelReplay({ id }),
    ])
      assert.equal((await rpcRejection(call)).code, Code.NOT_FOUND);
  });

  await t.test('a deleted source or target fails it', async () => {
    const [kept, deleted] = [await create(), await create()];
    await publish(system, kept, [0, 100]);
    await publish(system, deleted, [0, 100]);
    const start = async (integrationId: string, targetIntegrationId: string) =>
      (await replays.startReplay({ integrationId, targetIntegrationId, maxRate: 10 })).replay!.id;
    const [to, from] = [await start(kept, deleted), await start(deleted, kept)];
    await client.deleteIntegration({ id: deleted });
    const [target, source] = [await get(to), await get(from)];
    assert.deepEqual(
      [target.state, target.reason],
      [ReplayState.FAILED, 'the target integration was deleted'],
    );
    assert.deepEqual([source.state, source.reason], [ReplayState.FAILED, 'the integration was deleted']);
  });

  await t.test('lists are newest first, page by page, of one integration or of all', async () => {
    const [first, second] = [await create(), await create()];
    const ids: string[] = [];
    for (const integrationId of [first, second, first, first]) {
      ids.push((await replays.startReplay({ integrationId })).replay!.id);
      await sleep(2);
    }
    ids.push((await replays.startReplay({ integrationId: second, targetIntegrationId: first })).replay!.id);
    const list = async (request: object) => {
      const { replays: found, nextPageToken } = await replays.listReplays(request);
      return { ids: found.map(({ id }) => id), nextPageToken };
    };
    const newest = ids.toReversed();
    const page = await list({ pageSize: 3 });
    assert.deepEqual(page.ids, newest.slice(0, 3));
    const next = await list({ pageSize: 2, pageToken: page.nextPageToken });
    assert.deepEqual(next.ids, newest.slice(3));
    const oldest = await list({ pageSize: 2, orderBy: 'create_time' });
    const after = await list({ orderBy: 'create_time', pageToken: oldest.nextPageToken });
    assert.deepEqual([...oldest.ids, ...after.ids], (await list({})).ids.toReversed());
    assert.deepEqual(after.ids.slice(-5), ids);
    await assert.rejects(list({ pageToken: oldest.nextPageToken }), /another filter or order_by/);
    assert.deepEqual(
      (await list({ integrationId: first })).ids,
      newest.filter((id) => id !== ids[1]),
    );
    assert.deepEqual(await list({ integrationId: second }), { ids: [ids[4], ids[1]], nextPageToken: '' });
  });
});

for (const how of ['stops', 'vanishes'] as const) {
  test(`when its node ${how}, another one goes on with it`, async (t) => {
    const first = await systemForTests(t);
    const integrationId = await first.create();
    await publish(first, integrationId, [0, 300]);
    const config = { serviceId: 'cp2', postgresUrl: first.postgresUrl };
    const { id } = (await first.replays.startReplay({ integrationId, maxRate: 100 })).replay!;
    await waitUntil('it has begun', async () => (await first.get(id)).replayed >= 50n);
    const second = await controlPlaneForTests(t, config, first);
    const get = async () => (await second.replays.getReplay({ id })).replay!;
    if (how === 'stops') await first.stop();
    else {
      // The lock goes while the node still runs: the worst that can happen.
      await using database = await connectedClient(first.postgresUrl);
      await database.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'penstock-locks' and datname = current_database()",
      );
    }
    assert.equal((await get()).state, ReplayState.RUNNING);
    await waitUntil('it is over', async () => (await get()).state === ReplayState.DONE);
    assert.equal((await get()).replayed, 300n);
    const sent = (await first.sentTo(integrationId, 300)).map(numberOf);
    assert.deepEqual(
      [...new Set(sent)].toSorted((a, b) => a - b),
      numbers(0, 300),
    );
    const batch = 10; // a tenth of the rate
    assert.ok(sent.length <= 300 + batch, `${sent.length} sent`);
    assert.ok(how === 'vanishes' || sent.length === 300, 'a node that stops leaves nothing to repeat');
  });
}

test('replays that cannot go on keep nobody from going on, nor do those that take long', async (t) => {
  const kafka = await busForTests(t);
  const [refused, hanging] = [new Set<string>(), new Set<string>()];
  const end = Promise.withResolvers<never>();
  end.promise.catch(() => {});
  const send: Bus['send'] = async (topic, record) => {
    if (refused.has(topic)) throw new BusError('timeout', 'nobody leads it');
    if (hanging.has(topic)) await end.promise;
    await kafka.bus.send(topic, record);
  };
  const system = await systemForTests(t, { ...kafka, bus: { ...kafka.bus, send } });
  const { replays, create, get, replay, sentTo, topics } = system;
  const integrationId = await create();
  await publish(system, integrationId, [0, 20]);
  const start = async (request: object) =>
    (await replays.startReplay({ integrationId, ...request })).replay!.id;
  const stuck: string[] = [];
  for (const topicsOfKind of [refused, refused, refused, hanging, hanging, hanging]) {
    const targetIntegrationId = await create();
    topicsOfKind.add(topics.messages(targetIntegrationId).name);
    stuck.push(await start({ targetIntegrationId }));
  }
  const slow: string[] = [];
  for (let n = 0; n < 4; n++) slow.push(await start({ targetIntegrationId: await create(), maxRate: 1 }));
  await sleep(1500); // they are at it
  const targetIntegrationId = await create();
  const { state, replayed } = await replay({ integrationId, targetIntegrationId });
  assert.deepEqual([state, replayed], [ReplayState.DONE, 20n]);
  assert.equal((await sentTo(targetIntegrationId)).length, 20);
  for (const id of [...stuck, ...slow]) assert.equal((await get(id)).state, ReplayState.RUNNING);

  refused.clear();
  hanging.clear();
  end.reject(new BusError('timeout', 'nobody leads it'));
  const isDone = async (id: string) => (await get(id)).state === ReplayState.DONE;
  await waitUntil(
    'all of them go on',
    async () => (await Promise.all(stuck.map(isDone))).every(Boolean),
    60_000,
  );
});

test('replays that ended are deleted when they are old, those that run are not', async (t) => {
  const first = await systemForTests(t);
  const integrationId = await first.create();
  await publish(first, integrationId, [0, 100]);
  const running = (await first.replays.startReplay({ integrationId, maxRate: 1 })).replay!.id;
  const ended = await first.replay({ integrationId, offsetRanges: [{ startOffset: 0n, endOffset: 1n }] });
  assert.equal(ended.state, ReplayState.DONE);
  const config = { serviceId: 'cp2', postgresUrl: first.postgresUrl, eventsTtl: 1 };
  const { replays } = await controlPlaneForTests(t, config, first);
  const ids = async () => (await replays.listReplays({})).replays.map(({ id }) => id);
  await waitUntil('the old one is gone', async () => !(await ids()).includes(ended.id));
  assert.deepEqual(await ids(), [running]);
});
