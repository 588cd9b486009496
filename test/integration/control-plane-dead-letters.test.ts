import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { fromBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import type { RedriveDeadLettersResponse } from '../../gen/penstock/v1/dead_letter_service_pb.ts';
import { EnvelopeSchema, FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { EventKind } from '../../gen/penstock/v1/event_service_pb.ts';
import type { IncomingRecord } from '../../src/bus/bus.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { busForTests } from '../helpers/bus.ts';
import { controlPlaneForTests, executorForTests, HTTP } from '../helpers/control-plane.ts';
import { deadLetter, envelope, giveUp, limitedBus, messagesOf } from '../helpers/messages.ts';
import { connectedClient } from '../helpers/postgres-client.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const ids = (start: number, end: number) => Array.from({ length: end - start }, (_, i) => `0-${start + i}`);
const newestFirst = (start: number, end: number) => ids(start, end).toReversed();

/** What a message that `giveUp` made says. */
const numberOf = ({ value }: IncomingRecord) =>
  Number(Buffer.from(fromBinary(EnvelopeSchema, value!).payload).toString());

async function systemForTests(t: TestContext, kafka?: Awaited<ReturnType<typeof busForTests>>) {
  const system = await controlPlaneForTests(t, {}, kafka);
  await executorForTests(t, system);
  const create = async () => (await system.client.createIntegration({ integration: HTTP })).integration!.id;
  const list = async (integrationId: string, filter = {}) => {
    const { deadLetters, totalSize } = await system.deadLetters.listDeadLetters({ integrationId, filter });
    assert.equal(Number(totalSize), deadLetters.length);
    return deadLetters.map(({ id }) => id);
  };
  return { ...system, create, list };
}

async function all(stream: AsyncIterable<RedriveDeadLettersResponse>) {
  let last: RedriveDeadLettersResponse | undefined;
  for await (const answer of stream) last = answer;
  assert.ok(last?.done);
  return { total: Number(last.total), redriven: Number(last.redriven) };
}

test('listing dead letters', async (t) => {
  const system = await systemForTests(t);
  const { deadLetters, create, list, bus, topics } = system;

  await t.test('an integration without any has none; one that is not known is not found', async () => {
    const integrationId = await create();
    const answer = await deadLetters.listDeadLetters({ integrationId });
    assert.deepEqual([answer.deadLetters, answer.totalSize, answer.nextPageToken], [[], 0n, '']);
    const unknown = { integrationId: randomUUID() };
    for (const call of [
      () => deadLetters.listDeadLetters(unknown),
      () => deadLetters.purgeDeadLetters(unknown),
      () => all(deadLetters.redriveDeadLetters(unknown)),
    ])
      assert.equal((await rpcRejection(call)).code, Code.NOT_FOUND);
    assert.deepEqual(await all(deadLetters.redriveDeadLetters({ integrationId })), { total: 0, redriven: 0 });
    assert.equal((await deadLetters.purgeDeadLetters({ integrationId })).purged, 0n);
  });

  await t.test('the newest come first, page by page, each once', async () => {
    const integrationId = await create();
    await giveUp(system, integrationId, [0, 120]);
    let pageToken = '';
    const pages: string[][] = [];
    do {
      const page = await deadLetters.listDeadLetters({ integrationId, pageSize: 50, pageToken });
      assert.equal(page.totalSize, 120n);
      pages.push(page.deadLetters.map(({ id }) => id));
      if (pages.length === 1) await giveUp(system, integrationId, [200, 200]); // nothing moves
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    assert.deepEqual(pages, [newestFirst(70, 120), newestFirst(20, 70), newestFirst(0, 20)]);
    const whole = await deadLetters.listDeadLetters({ integrationId, pageSize: 120 });
    assert.deepEqual([whole.deadLetters.length, whole.nextPageToken], [120, '']);
  });

  await t.test('each is shown as it was kept, with its envelope where that can be decoded', async () => {
    const integrationId = await create();
    await giveUp(system, integrationId, [7, 8]);
    await giveUp(system, integrationId, [8, 9], { envelope: Buffer.from([255, 255]) });
    const { name } = topics.deadLetters(integrationId);
    await bus.send(name, { key: 'x', value: Buffer.from('not a dead letter') });
    const { deadLetters: found, totalSize } = await deadLetters.listDeadLetters({ integrationId });
    assert.equal(totalSize, 2n);
    const [broken, whole] = found;
    assert.deepEqual([broken?.id, broken?.envelope], ['0-1', undefined]);
    assert.deepEqual(Uint8Array.from(broken!.deadLetter!.envelope), Uint8Array.of(255, 255));
    assert.deepEqual(
      [whole?.id, whole?.envelope?.topicName, whole?.envelope?.clientId],
      ['0-0', 'sensors/1', 'c1'],
    );
    assert.deepEqual(
      [whole?.deadLetter?.reason, whole?.deadLetter?.failureClass, whole?.redrivenTime],
      ['HTTP 400 for 7', FailureClass.REJECTED, undefined],
    );
  });

  await t.test('large ones end a page early', async () => {
    const integrationId = await create();
    const large = envelope(1, { payload: Buffer.alloc(700_000) });
    await giveUp(system, integrationId, [0, 5], { envelope: large });
    const first = await deadLetters.listDeadLetters({ integrationId });
    assert.deepEqual([first.deadLetters.map(({ id }) => id), first.totalSize], [['0-4', '0-3'], 5n]);
    const next = await deadLetters.listDeadLetters({ integrationId, pageToken: first.nextPageToken });
    assert.deepEqual(
      next.deadLetters.map(({ id }) => id),
      ['0-2', '0-1'],
    );
  });

  await t.test('those that were put back are stepped over, however many they are', async () => {
    const integrationId = await create();
    await giveUp(system, integrationId, [0, 30]);
    await using database = await connectedClient(system.postgresUrl);
    const insert = `insert into redriven_dead_letters values ($1, 0, $2, $3, now())`;
    const marks = [
      [0, 1], // gone from the topic
      [5, 9],
      [7, 12],
      [12, 14],
      [20, 30],
      [25, 26],
    ];
    for (const [start, end] of marks) await database.query(insert, [integrationId, start, end]);
    await bus.deleteRecords(topics.deadLetters(integrationId).name, new Map([[0, 2]]));
    const left = [...ids(2, 5), ...ids(14, 20)].toReversed();
    const found: string[] = [];
    let pageToken = '';
    do {
      const page = await deadLetters.listDeadLetters({ integrationId, pageSize: 2, pageToken });
      assert.equal(page.totalSize, 9n);
      found.push(...page.deadLetters.map(({ id }) => id));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    assert.deepEqual(found, left);
    const filter = { includeRedriven: true };
    assert.equal((await deadLetters.listDeadLetters({ integrationId, filter })).totalSize, 28n);
  });

  await t.test('filters: all that is set must be true', async () => {
    const integrationId = await create();
    await giveUp(system, integrationId, [0, 10]);
    await giveUp(system, integrationId, [10, 12], { failureClass: FailureClass.TIMEOUT });
    const at = (i: number) => timestampFromMs(1000 * i);
    assert.deepEqual(await list(integrationId, { ids: ['0-3', '0-008', '0-99', '5-3'] }), ['0-8', '0-3']);
    assert.deepEqual(await list(integrationId, { failureClasses: [FailureClass.TIMEOUT] }), ['0-11', '0-10']);
    assert.deepEqual(await list(integrationId, { clientId: 'c2' }), ['0-11', '0-8', '0-5', '0-2']);
    assert.deepEqual(await list(integrationId, { topicFilter: '+/1' }), [
      '0-11',
      '0-9',
      '0-7',
      '0-5',
      '0-3',
      '0-1',
    ]);
    assert.deepEqual(await list(integrationId, { topicFilter: 'other/#' }), []);
    assert.deepEqual(await list(integrationId, { startTime: at(4), endTime: at(6) }), ['0-5', '0-4']);
    assert.deepEqual(await list(integrationId, { clientId: 'c2', topicFilter: 'sensors/0' }), ['0-8', '0-2']);
    assert.equal((await list(integrationId, {})).length, 12);
  });

  await t.test('what makes no sense is refused, by its field', async () => {
    const integrationId = await create();
    const fieldsOf = async (init: object) =>
      (await rpcRejection(() => deadLetters.listDeadLetters({ integrationId, ...init }))).fields;
    assert.deepEqual(await fieldsOf({ filter: { topicFilter: 'a/#/b' } }), ['filter.topic_filter']);
    const times = { startTime: timestampFromMs(2000), endTime: timestampFromMs(1000) };
    assert.deepEqual(await fieldsOf({ filter: times }), ['filter.start_time']);
    assert.deepEqual(await fieldsOf({ pageToken: 'x' }), ['page_token']);
    const redrive = () => all(deadLetters.redriveDeadLetters({ integrationId, filter: times }));
    assert.deepEqual((await rpcRejection(redrive)).fields, ['filter.start_time']);
  });
});

test('redriving dead letters', async (t) => {
  const system = await systemForTests(t);
  const { deadLetters, create, list, bus, topics, client } = system;

  await t.test('puts back every byte under its key, in order, and marks it, for ever', async () => {
    const integrationId = await create();
    const values = Array.from({ length: 300 }, (_, i) => envelope(i));
    const { name } = topics.deadLetters(integrationId);
    const keyOf = (i: number) => (i % 3 === 0 ? null : `k${i % 3}`);
    await bus.createTopics([topics.deadLetters(integrationId)]);
    await Promise.all(
      values.map((value, i) => bus.send(name, { key: keyOf(i), value: deadLetter(i, { envelope: value }) })),
    );
    assert.deepEqual(await all(deadLetters.redriveDeadLetters({ integrationId })), {
      total: 300,
      redriven: 300,
    });
    const messages = await messagesOf(system, integrationId);
    assert.deepEqual(
      messages.map(({ value }) => Buffer.from(value!).toString('hex')),
      values.map((value) => Buffer.from(value).toString('hex')),
    );
    assert.deepEqual(
      messages.map(({ key }) => key),
      values.map((_, i) => keyOf(i)),
    );
    assert.deepEqual(await list(integrationId), []);
    assert.deepEqual(await all(deadLetters.redriveDeadLetters({ integrationId })), { total: 0, redriven: 0 });

    const other = await controlPlaneForTests(
      t,
      { serviceId: 'cp2', postgresUrl: system.postgresUrl },
      system,
    );
    const filter = { includeRedriven: true };
    const { deadLetters: found } = await other.deadLetters.listDeadLetters({ integrationId, filter });
    assert.equal(found.length, 50);
    assert.ok(found.every(({ redrivenTime }) => redrivenTime !== undefined));
    assert.deepEqual((await other.deadLetters.listDeadLetters({ integrationId })).deadLetters, []);
    await other.stop();
  });

  await t.test('by id and by class; once more only when asked to', async () => {
    const integrationId = await create();
    await giveUp(system, integrationId, [0, 6]);
    await giveUp(system, integrationId, [6, 8], { failureClass: FailureClass.TIMEOUT });
    const redrive = (filter: object) => all(deadLetters.redriveDeadLetters({ integrationId, filter }));
    const numbers = async () => (await messagesOf(system, integrationId)).map(numberOf);
    assert.deepEqual(await redrive({ ids: ['0-4', '0-1'] }), { total: 2, redriven: 2 });
    assert.deepEqual(await numbers(), [1, 4]);
    assert.deepEqual(await redrive({ failureClasses: [FailureClass.TIMEOUT] }), { total: 2, redriven: 2 });
    assert.deepEqual(await numbers(), [1, 4, 6, 7]);
    assert.deepEqual(await list(integrationId), ['0-5', '0-3', '0-2', '0-0']);
    assert.deepEqual(await redrive({ ids: ['0-4'] }), { total: 0, redriven: 0 });
    assert.deepEqual(await redrive({ ids: ['0-4'], includeRedriven: true }), { total: 1, redriven: 1 });
    assert.deepEqual(await redrive({}), { total: 4, redriven: 4 });
    assert.deepEqual(await numbers(), [1, 4, 6, 7, 4, 0, 2, 3, 5]);
  });

  await t.test('one that is interrupted has marked what it sent; the next sends only the rest', async () => {
    const integrationId = await create();
    await giveUp(system, integrationId, [0, 200]);
    const stop = new AbortController();
    let redriven = 0;
    const interrupted = rpcRejection(async () => {
      const request = { integrationId, maxRate: 50 };
      for await (const progress of deadLetters.redriveDeadLetters(request, { signal: stop.signal })) {
        redriven = Number(progress.redriven);
        assert.equal(progress.done, false);
        if (redriven > 0) stop.abort();
      }
    });
    assert.equal((await interrupted).code, Code.CANCELLED);
    let rest: { total: number; redriven: number } | undefined;
    await waitUntil('the next may begin', async () => {
      rest = await all(deadLetters.redriveDeadLetters({ integrationId })).catch(() => undefined);
      return rest !== undefined;
    });
    assert.ok(rest && rest.total > 0 && rest.total <= 200 - redriven, JSON.stringify(rest));
    const numbers = (await messagesOf(system, integrationId)).map(numberOf);
    assert.deepEqual(
      numbers,
      Array.from({ length: 200 }, (_, i) => i),
    );
  });

  await t.test(
    'one runs at a time, on whichever node; what is given up meanwhile is not part of it',
    async () => {
      const integrationId = await create();
      await giveUp(system, integrationId, [0, 60]);
      const other = await controlPlaneForTests(
        t,
        { serviceId: 'cp3', postgresUrl: system.postgresUrl },
        system,
      );
      const start = performance.now();
      const answers: RedriveDeadLettersResponse[] = [];
      for await (const answer of deadLetters.redriveDeadLetters({ integrationId, maxRate: 30 })) {
        answers.push(answer);
        if (answers.length > 1) continue;
        await giveUp(system, integrationId, [60, 80]);
        for (const node of [system, other]) {
          const second = await rpcRejection(() =>
            all(node.deadLetters.redriveDeadLetters({ integrationId })),
          );
          assert.deepEqual([second.code, second.reason], [Code.FAILED_PRECONDITION, 'REDRIVE_RUNNING']);
          const purge = await rpcRejection(() => node.deadLetters.purgeDeadLetters({ integrationId }));
          assert.equal(purge.reason, 'REDRIVE_RUNNING');
        }
        const another = await create(); // is not held up
        assert.deepEqual(await all(other.deadLetters.redriveDeadLetters({ integrationId: another })), {
          total: 0,
          redriven: 0,
        });
      }
      assert.ok(performance.now() - start > 1500, 'no faster than max_rate');
      assert.ok(answers.length >= 3, 'progress was told');
      assert.deepEqual([answers.at(-1)?.total, answers.at(-1)?.redriven], [60n, 60n]);
      assert.equal((await messagesOf(system, integrationId)).length, 60);
      assert.deepEqual(await all(other.deadLetters.redriveDeadLetters({ integrationId })), {
        total: 20,
        redriven: 20,
      });
      await other.stop();
    },
  );

  await t.test('purging removes them and their marks, and those who come later are listed', async () => {
    const integrationId = await create();
    await giveUp(system, integrationId, [0, 10]);
    await all(deadLetters.redriveDeadLetters({ integrationId, filter: { ids: ['0-9'] } }));
    assert.equal((await deadLetters.purgeDeadLetters({ integrationId })).purged, 10n);
    assert.equal((await deadLetters.purgeDeadLetters({ integrationId })).purged, 0n);
    assert.deepEqual(await list(integrationId, { includeRedriven: true }), []);
    await giveUp(system, integrationId, [10, 12]);
    assert.deepEqual(await list(integrationId), ['0-11', '0-10']);
  });

  await t.test('with the integration its marks go', async () => {
    const integrationId = await create();
    await giveUp(system, integrationId, [0, 3]);
    await all(deadLetters.redriveDeadLetters({ integrationId }));
    await using database = await connectedClient(system.postgresUrl);
    const marks = async () => {
      const sql = 'select * from redriven_dead_letters where integration_id = $1';
      return (await database.query(sql, [integrationId])).rowCount;
    };
    assert.equal(await marks(), 1);
    await client.deleteIntegration({ id: integrationId });
    assert.equal(await marks(), 0);
  });
});

test('what Kafka does not take is not marked', async (t) => {
  const kafka = await busForTests(t);
  const limited = limitedBus(kafka.bus, 25);
  const system = await systemForTests(t, { ...kafka, bus: limited.bus });
  const integrationId = await system.create();
  await giveUp(kafka, integrationId, [0, 40]);
  const redrive = () => all(system.deadLetters.redriveDeadLetters({ integrationId, maxRate: 200 }));
  const failure = await rpcRejection(redrive);
  assert.deepEqual([failure.code, failure.reason], [Code.UNAVAILABLE, 'KAFKA_UNAVAILABLE']);
  assert.deepEqual(await system.list(integrationId), newestFirst(25, 40));
  limited.left = 100;
  assert.deepEqual(await redrive(), { total: 15, redriven: 15 });
  assert.equal((await messagesOf(kafka, integrationId)).length, 40);
});

test('a redrive that loses its lock ends, and has marked what it sent', async (t) => {
  const system = await systemForTests(t);
  const integrationId = await system.create();
  await giveUp(system, integrationId, [0, 100]);
  await using database = await connectedClient(system.postgresUrl);
  const failure = await rpcRejection(async () => {
    for await (const { redriven } of system.deadLetters.redriveDeadLetters({ integrationId, maxRate: 20 })) {
      if (redriven === 0n) continue;
      await database.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'penstock-locks' and datname = current_database()",
      );
    }
  });
  assert.equal(failure.reason, 'DATABASE_UNAVAILABLE');
  await all(system.deadLetters.redriveDeadLetters({ integrationId }));
  assert.equal((await messagesOf(system, integrationId)).length, 100);
});

test('what retention removed before it was put back is counted and told, once; a purge is no loss', async (t) => {
  const kafka = await busForTests(t);
  const system = await controlPlaneForTests(t, { cleanupPeriod: 300 }, kafka);
  await executorForTests(t, system);
  const { deadLetters, events, client, bus, topics, metrics } = system;
  const integrationId = (await client.createIntegration({ integration: HTTP })).integration!.id;
  const { name } = topics.deadLetters(integrationId);
  const lost = async () => (await metrics.deadLettersRemoved.get()).values[0]?.value ?? 0;
  const told = async () => {
    const filter = { integrationId, kinds: [EventKind.ERROR] };
    const { events: found } = await events.listEvents({ filter });
    return found.map(({ event }) => event.case === 'error' && event.value.message);
  };
  await giveUp(system, integrationId, [0, 20]);
  await all(deadLetters.redriveDeadLetters({ integrationId, filter: { ids: ['0-1', '0-2', '0-9'] } }));
  await bus.deleteRecords(name, new Map([[0, 6]])); // as retention does
  await waitUntil('it is told', async () => (await told()).length === 1);
  assert.deepEqual(await told(), ["Kafka's retention removed 4 dead letters that were not put back"]);
  assert.equal(await lost(), 4);
  assert.equal((await deadLetters.listDeadLetters({ integrationId })).totalSize, 13n);

  assert.equal((await deadLetters.purgeDeadLetters({ integrationId })).purged, 14n);
  await giveUp(system, integrationId, [20, 22]);
  await setTimeout(1000); // it is looked for several times
  assert.equal(await lost(), 4);
  await bus.deleteRecords(name, new Map([[0, 21]]));
  await waitUntil('the next is told', async () => (await told()).length === 2);
  assert.equal(await lost(), 5);
});

test('the topic of dead letters is bounded in bytes, and takes the largest batch', () => {
  for (const bytes of [134_217_728, 1 << 30, 1e12]) {
    const { config } = topicsOf('t', bytes).deadLetters('i');
    assert.equal(config['retention.bytes'], String(bytes));
    const segment = Number(config['segment.bytes']);
    assert.ok(
      segment >= Number(config['max.message.bytes']) && segment <= 2 ** 31 - 1 && segment <= bytes / 3,
    );
  }
});
