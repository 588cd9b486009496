import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { Role } from '../../gen/penstock/v1/access_pb.ts';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import {
  type LoggedMessage,
  MessageStage,
  type WatchMessagesResponse,
} from '../../gen/penstock/v1/message_log_service_pb.ts';
import { MessageFeeds } from '../../src/control-plane/messages/message-feeds.ts';
import { busForTests } from '../helpers/bus.ts';
import { commitForExecutors } from '../helpers/committing.ts';
import { controlPlaneForTests, executorForTests, HTTP } from '../helpers/control-plane.ts';
import { envelope, giveUp, publish } from '../helpers/messages.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { asAdmin, drained, OUTSIDE, scopedSystem } from '../helpers/scoped.ts';
import { collect } from '../helpers/stream.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const { WAITING, SETTLED, DEAD_LETTERED } = MessageStage;

type System = Awaited<ReturnType<typeof systemForTests>>;

async function systemForTests(t: TestContext, kafka?: Awaited<ReturnType<typeof busForTests>>) {
  const system = await controlPlaneForTests(t, {}, kafka);
  await executorForTests(t, system);
  /** An integration whose message topic has so many partitions. */
  const made = async (maxExecutors = 1, name = HTTP.name) => {
    const integration = { ...HTTP, name, delivery: { maxExecutors } };
    return (await system.client.createIntegration({ integration })).integration!.id;
  };
  return { ...system, made };
}

/** What a message that `publish` made says. */
const numberOf = ({ envelope }: LoggedMessage) => Number(Buffer.from(envelope!.payload).toString());
const numbers = (messages: readonly LoggedMessage[]) => messages.map(numberOf);
const from = (start: number, end: number) => Array.from({ length: end - start }, (_, i) => start + i);

/** Sends envelopes one after the other, so that their times and their order are the same. */
async function sendInOrder(
  { bus, topics }: System,
  integrationId: string,
  values: readonly Uint8Array[],
  key = 'c',
) {
  for (const value of values) await bus.send(topics.messages(integrationId).name, { key, value });
}

async function nextMillisecond(): Promise<void> {
  for (const now = Date.now(); Date.now() === now; ) await setImmediate();
}

test('what is in a topic is listed, from the newest, the oldest, a time or a place', async (t) => {
  const system = await systemForTests(t);
  const { messageLog, made, bus, topics, metrics } = system;
  const list = (request: Parameters<typeof messageLog.listMessages>[0]) => messageLog.listMessages(request);

  await t.test('page by page, each once, in both directions, over all partitions', async () => {
    const integrationId = await made(3);
    for (let i = 0; i < 60; i++) {
      await publish(system, integrationId, [i, i + 1]);
      await nextMillisecond(); // those of one in several partitions have no order
    }
    const pages = async (position: Parameters<typeof list>[0]['position'], size: number) => {
      const found: number[] = [];
      for (let pageToken = ''; ; ) {
        const page = await list({ integrationId, pageSize: size, pageToken, ...(position && { position }) });
        assert.ok(page.messages.length <= size);
        found.push(...numbers(page.messages));
        pageToken = page.nextPageToken;
        if (pageToken === '') return found;
      }
    };
    assert.deepEqual(await pages(undefined, 7), from(0, 60).toReversed());
    assert.deepEqual(await pages({ case: 'oldest', value: true }, 7), from(0, 60));
    assert.deepEqual(await pages({ case: 'oldest', value: false }, 60), from(0, 60).toReversed());
    const all = (await list({ integrationId, pageSize: 60, position: { case: 'oldest', value: true } }))
      .messages;
    assert.equal(new Set(all.map(({ partition }) => partition)).size, 3, 'they are in three partitions');
    for (const { id, partition, offset } of all) assert.equal(id, `${partition}-${offset}`);
    const time = all[30]!.storedTime!;
    const since = all.filter(({ storedTime }) => timestampMs(storedTime!) >= timestampMs(time));
    assert.deepEqual(await pages({ case: 'startTime', value: time }, 9), numbers(since));
    const { id, partition } = all[10]!;
    const behind = all.slice(10).filter((one) => one.partition === partition);
    assert.deepEqual(await pages({ case: 'startId', value: id }, 4), numbers(behind));
    assert.deepEqual(await pages({ case: 'startTime', value: timestampFromMs(Date.now() + 60_000) }, 4), []);
    assert.deepEqual(
      (await list({ integrationId, position: { case: 'startId', value: '99-0' } })).messages,
      [],
    );
  });

  await t.test('by topic filter and client; what cannot be read is stepped over and counted', async () => {
    const integrationId = await made();
    await publish(system, integrationId, [0, 12]);
    const { name } = topics.messages(integrationId);
    await bus.send(name, { key: 'x', value: Buffer.from('no envelope') });
    await publish(system, integrationId, [12, 18]);
    const found = async (filter: object) =>
      numbers((await list({ integrationId, filter, position: { case: 'oldest', value: true } })).messages);
    assert.deepEqual(await found({}), from(0, 18));
    const { values } = await metrics.undecodable.get();
    assert.equal(values.find(({ labels }) => labels.topic === name)?.value, 1);
    assert.deepEqual(
      await found({ topicFilter: '+/1' }),
      from(0, 18).filter((i) => i % 2 === 1),
    );
    assert.deepEqual(
      await found({ clientId: 'c2', topicFilter: 'sensors/#' }),
      from(0, 18).filter((i) => i % 3 === 2),
    );
  });

  await t.test(
    'payloads are cut to what is asked for; one message has all of it, with its properties',
    async () => {
      const integrationId = await made();
      const payload = Buffer.alloc(9000, 'x');
      const properties = {
        contentType: 'a/b',
        correlationData: Buffer.from([1, 2]),
        qos: 2,
        retain: true,
      };
      await sendInOrder(system, integrationId, [envelope(1, { payload, ...properties })]);
      const cut = async (maxPayloadBytes: number) => {
        const [message] = (await list({ integrationId, maxPayloadBytes })).messages;
        return [message!.envelope!.payload.length, message!.payloadSize];
      };
      assert.deepEqual(
        [await cut(0), await cut(5)],
        [
          [4096, 9000],
          [5, 9000],
        ],
      );
      const { message } = await messageLog.getMessage({ integrationId, id: '0-0' });
      assert.deepEqual(Buffer.from(message!.envelope!.payload), payload);
      const { contentType, correlationData, qos, retain } = message!.envelope!;
      assert.deepEqual({ contentType, correlationData, qos, retain }, properties);
      for (const id of ['0-1', '7-0', '0-999999999999999']) {
        const refused = await rpcRejection(() => messageLog.getMessage({ integrationId, id }));
        assert.deepEqual([refused.code, refused.reason], [Code.NOT_FOUND, 'NOT_FOUND'], id);
      }
    },
  );

  await t.test('each says what became of it, by what is committed and by the dead letters', async () => {
    const integrationId = await made();
    await publish(system, integrationId, [0, 10]);
    const now = { lastAttemptTime: timestampFromMs(Date.now()), attempts: 4 };
    await giveUp(system, integrationId, [0, 1], { ...now, offset: 1n });
    await giveUp(system, integrationId, [1, 2], { ...now, offset: 9n, failureClass: FailureClass.TIMEOUT });
    // Of a message that had this place before the topic was made anew.
    await giveUp(system, integrationId, [2, 3], { lastAttemptTime: timestampFromMs(1000), offset: 2n });
    const stages = async () => {
      const { messages } = await list({ integrationId, position: { case: 'oldest', value: true } });
      return messages.map(({ id, outcome }) => {
        assert.equal(outcome!.id, id);
        return outcome!.stage;
      });
    };
    const waiting = Array<MessageStage>(10).fill(WAITING);
    assert.deepEqual(await stages(), waiting.with(1, DEAD_LETTERED).with(9, DEAD_LETTERED));
    const ahead = { ranges: [{ start: 6, end: 8 }], latest: Date.now() };
    const topic = topics.messages(integrationId).name;
    await commitForExecutors(system, [{ topic, partition: 0, offset: 5, ahead }]);
    const settled = waiting.fill(SETTLED, 0, 5).fill(SETTLED, 6, 8);
    assert.deepEqual(await stages(), settled.with(1, DEAD_LETTERED).with(9, DEAD_LETTERED));
    const { message } = await messageLog.getMessage({ integrationId, id: '0-9' });
    const { deadLetterId, failureClass, reason, attempts, serviceId } = message!.outcome!;
    assert.deepEqual(
      { deadLetterId, failureClass, reason, attempts, serviceId },
      {
        deadLetterId: '0-1',
        failureClass: FailureClass.TIMEOUT,
        reason: 'HTTP 400 for 1',
        attempts: 4,
        serviceId: 'e1',
      },
    );
    const wanted = { stages: [WAITING] };
    assert.deepEqual(numbers((await list({ integrationId, filter: wanted })).messages), [8, 5]);
  });

  await t.test('large messages end a page early, and none is left out', async () => {
    const integrationId = await made(2);
    const payload = Buffer.alloc(3 << 20, 'x');
    const values = from(0, 6).map((i) => envelope(i, { payload }));
    for (const [i, value] of values.entries()) await sendInOrder(system, integrationId, [value], `k${i}`);
    for (const position of [{ case: 'oldest', value: true } as const, undefined]) {
      const ids: string[] = [];
      let pages = 0;
      for (let pageToken = ''; pages === 0 || pageToken !== ''; pages++) {
        assert.ok(pages < 30, 'it comes to an end');
        const page = await list({ integrationId, pageToken, ...(position && { position }) });
        ids.push(...page.messages.map(({ id }) => id));
        pageToken = page.nextPageToken;
      }
      assert.deepEqual([ids.length, new Set(ids).size], [6, 6]);
    }
  });

  await t.test('what Kafka removed is not there, and a page that was begun before goes on', async () => {
    const integrationId = await made();
    await publish(system, integrationId, [0, 30]);
    const position = { case: 'oldest' as const, value: true };
    const first = await list({ integrationId, pageSize: 5, position });
    await bus.deleteRecords(topics.messages(integrationId).name, new Map([[0, 12]]));
    const second = await list({ integrationId, pageSize: 5, position, pageToken: first.nextPageToken });
    assert.deepEqual(numbers(second.messages), from(12, 17));
    assert.deepEqual(numbers((await list({ integrationId })).messages), from(12, 30).toReversed());
    assert.deepEqual(
      numbers((await list({ integrationId, position: { case: 'startId', value: '0-3' } })).messages),
      from(12, 30),
    );
    assert.equal(
      (await rpcRejection(() => messageLog.getMessage({ integrationId, id: '0-3' }))).code,
      Code.NOT_FOUND,
    );
  });

  await t.test('what makes no sense is refused, with its field', async () => {
    const integrationId = await made();
    await publish(system, integrationId, [0, 3]);
    const { nextPageToken } = await list({ integrationId, pageSize: 1 });
    const refusals: [Parameters<typeof list>[0], string][] = [
      [{ integrationId, filter: { topicFilter: 'a/#/b' } }, 'filter.topic_filter'],
      [{ integrationId, pageToken: 'x' }, 'page_token'],
      [{ integrationId, pageToken: nextPageToken, filter: { clientId: 'c1' } }, 'page_token'],
      [{ integrationId, pageSize: 201 }, 'page_size'],
      [{ integrationId, position: { case: 'startId', value: '0' } }, 'start_id'],
    ];
    for (const [request, field] of refusals) {
      const refused = await rpcRejection(() => list(request));
      assert.deepEqual([refused.code, refused.fields], [Code.INVALID_ARGUMENT, [field]]);
    }
    assert.equal((await rpcRejection(() => list({ integrationId: randomUUID() }))).code, Code.NOT_FOUND);
  });
});

/** What a watch has told so far. */
function toldBy({ got }: { readonly got: readonly WatchMessagesResponse[] }) {
  const messages = got.flatMap((one) => one.messages);
  const outcomes = got.flatMap((one) => one.outcomes);
  const leftOut = got.reduce((sum, one) => sum + Number(one.leftOut), 0);
  return { messages, outcomes, leftOut, isLive: got.some(({ live }) => live) };
}

test('messages are watched as they come, and what becomes of them', { timeout: 120_000 }, async (t) => {
  const system = await systemForTests(t);
  const { messageLog, made, bus, topics, metrics } = system;
  const watch = async (request: Parameters<typeof messageLog.watchMessages>[0]) => {
    const told = collect<WatchMessagesResponse>(t, (options) => messageLog.watchMessages(request, options));
    await waitUntil('it is live', () => toldBy(told).isLive);
    return { ...told, told: () => toldBy(told) };
  };
  const commit = (integrationId: string, offset: number) =>
    commitForExecutors(system, [{ topic: topics.messages(integrationId).name, partition: 0, offset }]);

  await t.test('the last ones first, then each that is stored, once, over all partitions', async () => {
    const integrationId = await made(3);
    await publish(system, integrationId, [0, 30]);
    const watched = await watch({ integrationId, last: 10 });
    const before = watched.told().messages;
    assert.equal(before.length, 10);
    assert.equal(
      watched.got.findIndex(({ live }) => live),
      watched.got.length - 1,
    );
    await publish(system, integrationId, [100, 160]);
    await waitUntil('all came', () => watched.told().messages.length >= 70);
    const { messages, leftOut } = watched.told();
    assert.deepEqual(
      numbers(messages.slice(10)).toSorted((a, b) => a - b),
      from(100, 160),
    );
    assert.equal(leftOut, 0);
    assert.equal(new Set(messages.map(({ id }) => id)).size, 70);
    for (const { time } of watched.got) assert.ok(Math.abs(timestampMs(time!) - Date.now()) < 60_000);
    watched.stop();
  });

  await t.test(
    'what becomes of those that were told is told: settled, or the dead letter with its reason',
    async () => {
      const integrationId = await made();
      await publish(system, integrationId, [0, 3]);
      const watched = await watch({ integrationId, last: 50 });
      await publish(system, integrationId, [3, 6]);
      await waitUntil('all came', () => watched.told().messages.length === 6);
      assert.deepEqual(
        new Set(watched.told().messages.map(({ outcome }) => outcome!.stage)),
        new Set([WAITING]),
      );
      const given = { lastAttemptTime: timestampFromMs(Date.now()) };
      await giveUp(system, integrationId, [1, 2], { ...given, offset: 1n });
      await giveUp(system, integrationId, [4, 5], { ...given, offset: 4n });
      await commit(integrationId, 5);
      await waitUntil('five are known', () => watched.told().outcomes.length === 5);
      const outcomes = new Map(watched.told().outcomes.map((one) => [one.id, one]));
      assert.deepEqual(
        ['0-0', '0-1', '0-2', '0-3', '0-4'].map((id) => outcomes.get(id)?.stage),
        [SETTLED, DEAD_LETTERED, SETTLED, SETTLED, DEAD_LETTERED],
      );
      const { deadLetterId, reason } = outcomes.get('0-4')!;
      assert.deepEqual([deadLetterId, reason], ['0-1', 'HTTP 400 for 4']);
      watched.stop();
    },
  );

  await t.test('more than a rate are counted: told and left out are all that came', async () => {
    const integrationId = await made();
    const [sampled, filtered, all] = await Promise.all([
      watch({ integrationId, maxRate: 20 }),
      watch({ integrationId, maxRate: 20, filter: { clientId: 'c1' } }),
      watch({ integrationId, maxRate: 5000 }),
    ]);
    await publish(system, integrationId, [0, 600]);
    const sumOf = ({ told }: typeof sampled) => told().messages.length + told().leftOut;
    await waitUntil('all are told or counted', () => sumOf(sampled) === 600 && sumOf(filtered) === 200);
    for (const one of [sampled, filtered]) assert.ok(one.told().leftOut > 0);
    assert.ok(filtered.told().messages.every(({ envelope }) => envelope!.clientId === 'c1'));
    await waitUntil('the third has all', () => all.told().messages.length === 600);
    assert.equal(all.told().leftOut, 0);
    const { values } = await metrics.watchedMessages.get();
    const left = values.find(({ labels }) => labels.result === 'left_out')?.value;
    assert.equal(left, sampled.told().leftOut + filtered.told().leftOut);
    for (const one of [sampled, filtered, all]) one.stop();
  });

  await t.test('those that come to a stage are told then, whole', async () => {
    const integrationId = await made();
    await publish(system, integrationId, [0, 2]);
    const [settled, given] = await Promise.all([
      watch({ integrationId, filter: { stages: [SETTLED] } }),
      watch({ integrationId, filter: { stages: [DEAD_LETTERED], topicFilter: 'sensors/1' } }),
    ]);
    await publish(system, integrationId, [2, 6]);
    const time = { lastAttemptTime: timestampFromMs(Date.now()) };
    // The first was there before anybody watched.
    for (const i of [1, 2, 3])
      await giveUp(system, integrationId, [i, i + 1], { ...time, offset: BigInt(i) });
    await commit(integrationId, 5);
    await waitUntil(
      'they came',
      () => given.told().messages.length === 2 && settled.told().messages.length === 1,
    );
    assert.deepEqual(numbers(settled.told().messages), [4]);
    assert.deepEqual(numbers(given.told().messages), [1, 3]);
    assert.deepEqual(
      given.told().messages.map(({ outcome }) => outcome!.reason),
      ['HTTP 400 for 1', 'HTTP 400 for 3'],
    );
    for (const one of [settled, given]) {
      assert.deepEqual([one.told().outcomes, one.told().leftOut], [[], 0]);
      one.stop();
    }
  });

  await t.test('more than a node reads in a second is stepped over and counted', async () => {
    const integrationId = await made(2);
    const feeds = new MessageFeeds(system, { records: 50, bytes: 1 << 20 });
    let [offered, leftOut] = [0, 0];
    using joined = feeds.join(integrationId, {
      offer() {
        offered++;
      },
      leaveOut(messages) {
        leftOut += messages;
      },
      isAwaiting: false,
      offerLetter() {},
      settle() {},
      fail: (error) => assert.fail(String(error)),
    });
    await joined.feed.begun;
    await publish(system, integrationId, [0, 1000]);
    await waitUntil('all are offered or counted', () => offered + leftOut === 1000);
    assert.ok(offered >= 50 && leftOut > 0, `${offered} offered`);
    await publish(system, integrationId, [0, 10]);
    await waitUntil('it goes on', () => offered + leftOut === 1010);
  });

  await t.test('nothing is committed for it, and no group has it', async () => {
    const integrationId = await made();
    const watched = await watch({ integrationId });
    await publish(system, integrationId, [0, 5]);
    await waitUntil('all came', () => watched.told().messages.length === 5);
    assert.equal((await bus.committed(topics.executors, topics.messages(integrationId).name)).size, 0);
    watched.stop();
  });

  await t.test(
    'it says every five seconds that it is there, and ends when the integration is deleted',
    async () => {
      const integrationId = await made();
      const watched = await watch({ integrationId });
      const count = watched.got.length;
      await waitUntil('it says so', () => watched.got.length > count);
      const { messages, leftOut, time } = watched.got.at(-1)!;
      assert.deepEqual([messages, leftOut, time !== undefined], [[], 0n, true]);
      await system.client.deleteIntegration({ id: integrationId });
      assert.equal(((await watched.ended) as { code?: Code }).code, Code.NOT_FOUND);
    },
  );
});

test('messages of integrations in the scope alone; they end with it', { timeout: 120_000 }, async (t) => {
  const system = await scopedSystem(t);
  const { messageLog, made, tokenOf, rename } = system;
  const inside = await made();
  const outside = await made(OUTSIDE);
  const as = await tokenOf(Role.VIEWER);
  await publish(system, inside.id, [0, 3]);
  assert.equal((await messageLog.listMessages({ integrationId: inside.id }, as)).messages.length, 3);
  const unknown = { integrationId: outside.id };
  for (const call of [
    () => messageLog.listMessages(unknown, as),
    () => messageLog.getMessage({ ...unknown, id: '0-0' }, as),
    () => drained(messageLog.watchMessages(unknown, as)),
  ])
    assert.equal((await rpcRejection(call)).code, Code.NOT_FOUND);
  const watched = collect<WatchMessagesResponse>(t, (options) =>
    messageLog.watchMessages({ integrationId: inside.id, last: 1 }, { ...options, ...as }),
  );
  await waitUntil('it is live', () => toldBy(watched).isLive);
  await rename(inside.id, OUTSIDE);
  assert.equal(((await watched.ended) as { code?: Code }).code, Code.NOT_FOUND);
  assert.equal((await messageLog.listMessages({ integrationId: inside.id }, asAdmin)).messages.length, 3);
});

test('a watch tells that it is there while it reads the last messages, however long that takes', async (t) => {
  const kafka = await busForTests(t);
  const { promise: isOpen, resolve: open } = Promise.withResolvers<void>();
  const read: typeof kafka.bus.read = async (options) => {
    if (options.topic.includes('.msg.ie.')) await isOpen;
    return await kafka.bus.read(options);
  };
  const system = await systemForTests(t, { ...kafka, bus: { ...kafka.bus, read } });
  const integrationId = await system.made();
  await publish(system, integrationId, [0, 1]);
  const { got } = collect<WatchMessagesResponse>(t, (options) =>
    system.messageLog.watchMessages({ integrationId, last: 1 }, options),
  );
  await waitUntil('it says so', () => got.length >= 2, 20_000);
  assert.ok(got.every(({ live, messages, time }) => !live && messages.length === 0 && time));
  open();
  await waitUntil('it goes on', () => got.at(-1)?.live === true);
  assert.equal(got.flatMap(({ messages }) => messages).length, 1);
});
