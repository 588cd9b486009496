import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { type Redrive, RedriveState } from '../../gen/penstock/v1/dead_letter_service_pb.ts';
import { EnvelopeSchema, FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { ReplayState } from '../../gen/penstock/v1/replay_service_pb.ts';
import type { WatchResponse } from '../../gen/penstock/v1/watch_service_pb.ts';
import type { IncomingRecord } from '../../src/bus/bus.ts';
import { busForTests } from '../helpers/bus.ts';
import { controlPlaneForTests, executorForTests, HTTP } from '../helpers/control-plane.ts';
import { giveUp, limitedBus, messagesOf, publish } from '../helpers/messages.ts';
import { connectedClient } from '../helpers/postgres-client.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { collect } from '../helpers/stream.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const { RUNNING, DONE, CANCELLED, FAILED } = RedriveState;
const numberOf = ({ value }: IncomingRecord) =>
  Number(Buffer.from(fromBinary(EnvelopeSchema, value!).payload).toString());
const numbers = (start: number, end: number) => Array.from({ length: end - start }, (_, i) => start + i);
const sorted = (all: readonly number[]) => all.toSorted((a, b) => a - b);

async function systemForTests(t: TestContext, kafka?: Awaited<ReturnType<typeof busForTests>>) {
  const system = await controlPlaneForTests(t, {}, kafka);
  await executorForTests(t, system);
  const { client, deadLetters } = system;
  const create = async () => (await client.createIntegration({ integration: HTTP })).integration!.id;
  const get = async (id: string) => (await deadLetters.getRedrive({ id })).redrive!;
  const start = async (request: object) => (await deadLetters.startRedrive(request)).redrive!.id;
  const over = async (id: string): Promise<Redrive> => {
    await waitUntil('it is over', async () => (await get(id)).state !== RUNNING);
    return get(id);
  };
  const begun = (id: string) => waitUntil('it has begun', async () => (await get(id)).redriven > 0n);
  const sent = async (integrationId: string) => (await messagesOf(system, integrationId)).map(numberOf);
  const left = async (integrationId: string) =>
    Number((await deadLetters.listDeadLetters({ integrationId })).totalSize);
  /** What is left when all locks of all nodes go while the nodes still run. */
  const loseLocks = async () => {
    await using database = await connectedClient(system.postgresUrl);
    await database.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'penstock-locks' and datname = current_database()",
    );
  };
  return { ...system, create, get, start, over, begun, sent, left, loseLocks };
}

test('redrives that go on without their callers', async (t) => {
  const system = await systemForTests(t);
  const { deadLetters, replays, client, create, get, start, over, begun, sent, left } = system;

  await t.test('what is counted before the start is what is put back, and the rest stays', async () => {
    const integrationId = await create();
    await giveUp(system, integrationId, [0, 40]);
    await giveUp(system, integrationId, [40, 60], { failureClass: FailureClass.TIMEOUT });
    const request = { integrationId, filter: { failureClasses: [FailureClass.TIMEOUT] }, maxRate: 500 };
    const { redrive } = await deadLetters.startRedrive({ ...request, validateOnly: true });
    assert.deepEqual([redrive?.id, redrive?.state, redrive?.total], ['', RedriveState.UNSPECIFIED, 20n]);
    assert.deepEqual([(await deadLetters.listRedrives({})).redrives, await sent(integrationId)], [[], []]);

    const done = await over(await start(request));
    assert.deepEqual([done.state, done.total, done.redriven, done.reason], [DONE, 20n, 20n, '']);
    assert.deepEqual([done.filter?.failureClasses, done.maxRate], [[FailureClass.TIMEOUT], 500]);
    assert.ok(done.createTime && done.finishTime);
    assert.deepEqual(await sent(integrationId), numbers(40, 60));
    assert.equal(await left(integrationId), 40);
  });

  await t.test('one that is asked for again is started once', async () => {
    const integrationId = await create();
    await giveUp(system, integrationId, [0, 5]);
    const request = { integrationId, requestId: randomUUID() };
    const started = await Promise.all([1, 2, 3].map(() => start(request)));
    await over(request.requestId);
    started.push(await start(request));
    assert.deepEqual([...new Set(started)], [request.requestId]);
    assert.deepEqual(await sent(integrationId), numbers(0, 5));
    const { code, fields } = await rpcRejection(() => system.replays.startReplay(request));
    assert.deepEqual([code, fields], [Code.INVALID_ARGUMENT, ['request_id']]);
  });

  await t.test('while one is to go on, no other redrive and no purge begins', async () => {
    const integrationId = await create();
    await giveUp(system, integrationId, [0, 100]);
    const id = await start({ integrationId, maxRate: 20 });
    await begun(id);
    const stream = async () => {
      for await (const _ of deadLetters.redriveDeadLetters({ integrationId }));
    };
    const calls = [
      () => start({ integrationId }),
      () => deadLetters.purgeDeadLetters({ integrationId }),
      stream,
    ];
    for (const call of calls) assert.equal((await rpcRejection(call)).reason, 'REDRIVE_RUNNING');
    await deadLetters.cancelRedrive({ id });
  });

  await t.test(
    'one that is cancelled stops; what was put back stays so, and the next takes the rest',
    async () => {
      const integrationId = await create();
      await giveUp(system, integrationId, [0, 100]);
      const id = await start({ integrationId, maxRate: 20 });
      await begun(id);
      const cancelled = (await deadLetters.cancelRedrive({ id })).redrive!;
      assert.deepEqual([cancelled.state, cancelled.total], [CANCELLED, 100n]);
      let next = '';
      await waitUntil('it has stopped', async () => {
        next = await start({ integrationId }).catch(() => '');
        return next !== '';
      });
      const first = (await get(id)).redriven;
      const done = await over(next);
      assert.ok(first > 0n && first < 100n);
      assert.deepEqual([done.state, done.total], [DONE, 100n - first]);
      assert.deepEqual(await sent(integrationId), numbers(0, 100));
      assert.deepEqual((await deadLetters.cancelRedrive({ id })).redrive, await get(id));
    },
  );

  await t.test('those that are sent once more are sent once more, each once', async () => {
    const integrationId = await create();
    await giveUp(system, integrationId, [0, 30]);
    await over(await start({ integrationId }));
    const again = await over(await start({ integrationId, filter: { includeRedriven: true } }));
    assert.deepEqual([again.total, again.redriven], [30n, 30n]);
    assert.deepEqual(await sent(integrationId), [...numbers(0, 30), ...numbers(0, 30)]);
  });

  await t.test('what retention removed before it was put back is told', async () => {
    const integrationId = await create();
    await giveUp(system, integrationId, [0, 60]);
    const id = await start({ integrationId, maxRate: 20 });
    await begun(id);
    await system.bus.deleteRecords(system.topics.deadLetters(integrationId).name, new Map([[0, 60]]));
    await system.loseLocks(); // whoever goes on reads anew
    const { state, redriven, reason } = await over(id);
    assert.equal(state, DONE);
    assert.equal(reason, `${60n - redriven} dead letters were gone before they were put back`);
  });

  await t.test('with its integration it fails', async () => {
    const integrationId = await create();
    await giveUp(system, integrationId, [0, 100]);
    const id = await start({ integrationId, maxRate: 10 });
    await begun(id);
    await client.deleteIntegration({ id: integrationId });
    const { state, reason } = await get(id);
    assert.deepEqual([state, reason], [FAILED, 'the integration was deleted']);
  });

  await t.test('what makes no sense is refused, and what is not there is not found', async () => {
    const integrationId = await create();
    for (const validateOnly of [false, true]) {
      const filter = { topicFilter: 'a/#/b' };
      const wrong = await rpcRejection(() =>
        deadLetters.startRedrive({ integrationId, filter, validateOnly }),
      );
      assert.deepEqual([wrong.code, ...wrong.fields], [Code.INVALID_ARGUMENT, 'filter.topic_filter']);
    }
    const id = randomUUID();
    for (const call of [
      () => deadLetters.startRedrive({ integrationId: id }),
      () => deadLetters.startRedrive({ integrationId: id, validateOnly: true }),
      () => deadLetters.getRedrive({ id }),
      () => deadLetters.cancelRedrive({ id }),
    ])
      assert.equal((await rpcRejection(call)).code, Code.NOT_FOUND);
    assert.equal((await over(await start({ integrationId }))).total, 0n); // it has no dead letters
  });

  await t.test(
    'whoever watches is told of those that run, and of each that begins and ends',
    async (part) => {
      const [integrationId, other] = [await create(), await create()];
      await giveUp(system, integrationId, [0, 200]);
      await publish(system, other, [0, 5]);
      const id = await start({ integrationId, maxRate: 20 });
      await begun(id);
      const watching = collect<WatchResponse>(part, (options) => system.watch.watch({ jobs: true }, options));
      const told = () => watching.got.flatMap(({ jobs }) => jobs.flatMap(({ job }) => job.value ?? []));
      const last = (one: string) => told().findLast((job) => job.id === one);
      await waitUntil('it is synced', () => watching.got.some(({ synced }) => synced));
      const before = watching.got.slice(0, watching.got.findIndex(({ synced }) => synced) + 1);
      assert.deepEqual(
        before.flatMap(({ jobs }) => jobs.map(({ job }) => [job.case, job.value?.id, job.value?.state])),
        [['redrive', id, RUNNING]],
      );
      const replay = (await replays.startReplay({ integrationId: other })).replay!; // it may be over before anybody looks
      await waitUntil('the replay is told', () => last(replay.id)?.state === ReplayState.DONE);
      await deadLetters.cancelRedrive({ id });
      await waitUntil('so is the end', () => last(id)?.state === CANCELLED);
      const steps = told().flatMap((job) => ('redriven' in job && job.id === id ? [job.redriven] : []));
      assert.ok(new Set(steps).size > 1, 'that it moves on is told');
      assert.deepEqual(
        steps,
        steps.toSorted((a, b) => Number(a - b)),
      );
    },
  );

  await t.test('lists are of redrives alone, and of replays alone, newest first', async () => {
    const [first, second] = [await create(), await create()];
    await publish(system, first, [0, 5]);
    const counted = (await replays.startReplay({ integrationId: first, validateOnly: true })).replay!;
    assert.deepEqual([counted.id, counted.state, counted.total], ['', ReplayState.UNSPECIFIED, 5n]);
    const replay = (await replays.startReplay({ integrationId: first })).replay!;
    const ids: string[] = [];
    for (const integrationId of [first, second, first]) {
      ids.push(await start({ integrationId }));
      await over(ids.at(-1)!);
    }
    const idsOf = async (request: object) => {
      const page = await deadLetters.listRedrives(request);
      return { ids: page.redrives.map(({ id }) => id), nextPageToken: page.nextPageToken };
    };
    assert.deepEqual((await idsOf({ integrationId: first })).ids, [ids[2], ids[0]]);
    const page = await idsOf({ pageSize: 2 });
    assert.deepEqual(page.ids, [ids[2], ids[1]]);
    const next = await idsOf({ pageSize: 1, pageToken: page.nextPageToken });
    assert.deepEqual(next.ids, [ids[0]]);
    const { replays: listed } = await replays.listReplays({ integrationId: first });
    assert.deepEqual(
      listed.map(({ id }) => id),
      [replay.id],
    );
    for (const call of [
      () => deadLetters.getRedrive({ id: replay.id }),
      () => replays.getReplay({ id: ids[0]! }),
    ])
      assert.equal((await rpcRejection(call)).code, Code.NOT_FOUND);
  });
});

for (const how of ['stops', 'vanishes'] as const) {
  test(`when its node ${how}, another one goes on with a redrive`, async (t) => {
    const first = await systemForTests(t);
    const integrationId = await first.create();
    await giveUp(first, integrationId, [0, 300]);
    const id = await first.start({ integrationId, maxRate: 100, filter: { includeRedriven: true } });
    await waitUntil('it has begun', async () => (await first.get(id)).redriven >= 50n);
    const config = { serviceId: 'cp2', postgresUrl: first.postgresUrl };
    const second = await controlPlaneForTests(t, config, first);
    if (how === 'stops') await first.stop();
    else await first.loseLocks(); // the lock goes while the node still runs: the worst that can happen
    const get = async () => (await second.deadLetters.getRedrive({ id })).redrive!;
    await waitUntil('it is over', async () => (await get()).state === DONE);
    assert.deepEqual([(await get()).total, (await get()).redriven], [300n, 300n]);
    const sent = (await messagesOf(second, integrationId)).map(numberOf);
    assert.deepEqual(sorted([...new Set(sent)]), numbers(0, 300));
    const batch = 10; // a tenth of the rate
    assert.ok(sent.length <= 300 + batch, `${sent.length} sent`);
    assert.ok(how === 'vanishes' || sent.length === 300, 'a node that stops leaves nothing to repeat');
    assert.equal(Number((await second.deadLetters.listDeadLetters({ integrationId })).totalSize), 0);
  });
}

test('what Kafka does not take is neither marked nor counted, and a redrive goes on when it does', async (t) => {
  const kafka = await busForTests(t);
  const limited = limitedBus(kafka.bus, 25);
  const system = await systemForTests(t, { ...kafka, bus: limited.bus });
  const integrationId = await system.create();
  await giveUp(kafka, integrationId, [0, 40]);
  const id = await system.start({ integrationId, maxRate: 200 });
  await waitUntil('some are put back', async () => (await system.get(id)).redriven === 25n);
  assert.equal(await system.left(integrationId), 15);
  assert.equal((await system.get(id)).state, RUNNING);
  limited.left = 100;
  assert.equal((await system.over(id)).redriven, 40n);
  assert.deepEqual(await system.sent(integrationId), numbers(0, 40));
});
