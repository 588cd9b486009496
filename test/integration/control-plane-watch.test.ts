import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { create as message } from '@bufbuild/protobuf';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { EventKind } from '../../gen/penstock/v1/event_service_pb.ts';
import { IntegrationState, IntegrationStateSchema } from '../../gen/penstock/v1/integration_pb.ts';
import {
  IntegrationFilterSchema,
  type WatchIntegrationsResponse,
} from '../../gen/penstock/v1/integration_service_pb.ts';
import { Database } from '../../src/control-plane/store/database.ts';
import { IntegrationFeed } from '../../src/control-plane/watches/integration-feed.ts';
import { IntegrationWatch } from '../../src/control-plane/watches/integration-watch.ts';
import { Watches } from '../../src/control-plane/watches/watches.ts';
import { RpcError } from '../../src/rpc/error.ts';
import { ANYBODY } from '../helpers/anybody.ts';
import { controlPlaneForTests, executorForTests, HTTP, HTTP_WITH_SECRET } from '../helpers/control-plane.ts';
import { nodeForTests } from '../helpers/nodes.ts';
import { databaseForTests } from '../helpers/postgres.ts';
import { connectedClient } from '../helpers/postgres-client.ts';
import { encodedReport, failedStart, report } from '../helpers/reports.ts';
import { collect } from '../helpers/stream.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const { ACTIVE, FAILED } = IntegrationState;
type Init = Parameters<typeof report>[1];

/** How the name of each integration went, with its states. */
const brief = ({ integration, deleted }: WatchIntegrationsResponse) =>
  `${integration?.name} ${deleted ? 'deleted' : IntegrationStateSchema.value[integration!.status!.state]?.localName}`;

test('watches, whichever control plane makes the change', { timeout: 120_000 }, async (t) => {
  const one = await controlPlaneForTests(t);
  const two = await controlPlaneForTests(t, { serviceId: 'cp2', postgresUrl: one.postgresUrl }, one);
  await executorForTests(t, one);
  let executor = nodeForTests(t, one);
  const { client, bus, topics } = one;
  const create = async (name: string, init = {}) =>
    (await client.createIntegration({ integration: { ...HTTP, name, ...init } })).integration!.id;
  const send = (id: string, init: Init = {}) =>
    bus.send(topics.uplink.name, { key: id, value: encodedReport(report(id, init)) });
  const watch = (filter: { text?: string; states?: IntegrationState[] } = {}) =>
    collect(t, (options) => two.client.watchIntegrations({ filter }, options));
  const nodes = async () => (await two.cluster.listNodes({})).nodes.map(({ serviceId }) => serviceId);
  await waitUntil('the executor is known', async () => (await nodes()).includes('e1'));

  await t.test(
    'what is there comes first, then each change of integrations and of their status',
    async () => {
      const first = await create('first');
      await create('second', { enabled: false });
      const { got, stop, ended } = watch();
      const told = (text: string) => waitUntil(text, () => got.length > 0 && brief(got.at(-1)!) === text);
      await waitUntil('both are told', () => got.length === 2);
      assert.deepEqual(got.map(brief), ['first PENDING', 'second DISABLED']);
      await send(first);
      await told('first ACTIVE');
      await send(first, { report: failedStart('no such host') });
      await told('first FAILED');
      assert.equal(got.at(-1)?.integration?.status?.reason, 'no such host');
      const third = await create('third', HTTP_WITH_SECRET);
      await told('to http PENDING');
      assert.doesNotMatch(
        JSON.stringify(got, (_, v) => (typeof v === 'bigint' ? String(v) : v)),
        /hunter2/,
      );
      await client.updateIntegration({
        integration: { id: third, name: 'renamed' },
        updateMask: { paths: ['name'] },
      });
      await told('renamed PENDING');
      await client.deleteIntegration({ id: third });
      await told('renamed deleted');
      assert.ok(got.every(({ time }) => time !== undefined));
      assert.equal(got.length, 7, got.map(brief).join());
      stop();
      const error = await ended;
      assert.ok(error instanceof RpcError && error.code === Code.CANCELLED, String(error));
    },
  );

  await t.test('figures alone, and what was said before, are no change', async () => {
    const id = await create('steady');
    await send(id);
    const { got } = watch({ text: 'steady' });
    await waitUntil('it is active', () => got.some((one) => brief(one) === 'steady ACTIVE'));
    const before = got.length;
    await send(id);
    await send(id, { report: { case: 'statistics', value: { lag: 7n } } });
    await waitUntil('it is stored', async () => {
      return (await two.client.getIntegration({ id })).integration?.status?.lag === 7n;
    });
    await sleep(1500);
    assert.equal(got.length, before);
  });

  await t.test('what passes the filter no more is told once more', async () => {
    const id = await create('filtered');
    await create('filtered and off', { enabled: false });
    const { got } = watch({ text: 'filtered', states: [ACTIVE, FAILED] });
    await send(id);
    await waitUntil('it comes in', () => got.length === 1);
    await client.disableIntegration({ id });
    await waitUntil('it goes', () => got.length === 2);
    await client.enableIntegration({ id });
    await send(id, { generation: 3n });
    await waitUntil('it comes in again', () => got.length === 3);
    await client.updateIntegration({ integration: { id, name: 'x' }, updateMask: { paths: ['name'] } });
    await waitUntil('it goes again', () => got.length === 4);
    await client.deleteIntegration({ id });
    await sleep(1200);
    assert.deepEqual(got.map(brief), [
      'filtered ACTIVE',
      'filtered DISABLED',
      'filtered ACTIVE',
      'x PENDING',
    ]);
  });

  await t.test('so is what leaves the filter at the moment when a node comes', async () => {
    const id = await create('leaver');
    await using db = new Database(one.postgresUrl, one);
    const filter = message(IntegrationFilterSchema, { text: 'leaver' });
    const feed = new IntegrationFeed(db, one.clock);
    await feed.turn();
    const feeds = { join: () => ({ feed, [Symbol.dispose]() {} }) };
    const got: (string | undefined)[] = [];
    const over = new AbortController();
    t.after(() => over.abort());
    const reading = (async () => {
      const answers = new IntegrationWatch(ANYBODY, filter).answers(feeds, over.signal);
      for await (const { integration } of answers) got.push(integration?.name);
    })().catch(() => {});
    await waitUntil('it is told', () => got.join() === 'leaver');
    await client.updateIntegration({ integration: { id, name: 'gone' }, updateMask: { paths: ['name'] } });
    await using _ = nodeForTests(t, one, { serviceId: 'e2' });
    await waitUntil('the node is there', async () => (await nodes()).includes('e2'));
    await feed.turn();
    await waitUntil('that it has left', () => got.join() === 'leaver,gone');
    await feed.turn();
    over.abort();
    await reading;
    assert.deepEqual(got, ['leaver', 'gone']);
  });

  await t.test('integrations become pending because their executor is gone', async () => {
    const id = await create('orphan');
    await send(id);
    const { got } = watch({ text: 'orphan' });
    await waitUntil('it is active', () => got.some((one) => brief(one) === 'orphan ACTIVE'));
    await executor[Symbol.asyncDispose]();
    await waitUntil('it is pending', () => brief(got.at(-1)!) === 'orphan PENDING');
    assert.match(got.at(-1)!.integration!.status!.reason, /^executor e1 stopped at /);
    executor = nodeForTests(t, one, { startTime: Date.now() });
    await waitUntil('the executor is back', async () => (await nodes()).includes('e1'));
    await send(id);
    await waitUntil('it is active again', () => brief(got.at(-1)!) === 'orphan ACTIVE');
  });

  await t.test('a change by a transaction that ends after later ones is told, too', async () => {
    const id = await create('late');
    const { got } = watch({ text: 'l' });
    await waitUntil('it is told', () => got.some((one) => brief(one) === 'late PENDING'));
    await using slow = await connectedClient(one.postgresUrl);
    await slow.query('begin');
    await slow.query("update integrations set enabled = enabled where name = 'late'"); // takes its number
    await slow.query(
      `insert into executor_states (integration_id, shard, service_id, generation, time, state, reason, since)
       values ($1, 0, 'e1', 1, now() + interval '1 hour', ${ACTIVE}, '', now())`,
      [id],
    );
    await create('later');
    await waitUntil('the later one is told', () => got.some((one) => brief(one) === 'later PENDING'));
    await sleep(1200);
    await slow.query('commit');
    await waitUntil('the change is told', () => got.some((one) => brief(one) === 'late ACTIVE'));
  });

  await t.test('events are streamed as they come, filtered, each once and in their order', async () => {
    const id = await create('eventful');
    await send(id);
    await waitUntil('it is stored', async () => {
      return (await two.events.listEvents({ filter: { integrationId: id } })).events.length === 1;
    });
    const filter = { integrationId: id, kinds: [EventKind.ERROR] };
    const { got, stop, ended } = collect(t, (options) => two.events.watchEvents({ filter }, options));
    const all = collect(t, (options) => two.events.watchEvents({}, options));
    const error = (n: number) => ({
      report: { case: 'error' as const, value: { message: String(n), count: 1n } },
    });
    await sleep(700); // it watches
    const numbers = Array.from({ length: 1200 }, (_, n) => n);
    await Promise.all(numbers.map((n) => send(id, error(n))));
    await send(id);
    await waitUntil('all have come', () => got.length === numbers.length);
    const messages = got.map(
      ({ event }) => event?.event.case === 'error' && Number(event.event.value.message),
    );
    assert.deepEqual(
      messages.toSorted((a, b) => Number(a) - Number(b)),
      numbers,
    );
    await waitUntil('and of any kind', () => all.got.length >= numbers.length + 1);
    assert.ok(all.got.some(({ event }) => event?.event.case === 'lifecycle'));
    assert.equal(new Set(all.got.map(({ event }) => event?.id)).size, all.got.length);
    stop();
    await ended;
  });

  await t.test('changes and events are told while others write to the same PostgreSQL', async (t) => {
    const other = await databaseForTests(t);
    await using elsewhere = await connectedClient(other);
    await using here = await connectedClient(one.postgresUrl);
    for (const client of [elsewhere, here]) {
      await client.query('begin');
      await client.query('create table batch (id int)');
    }
    const id = await create('beside');
    const events = collect(t, (options) =>
      two.events.watchEvents({ filter: { integrationId: id } }, options),
    );
    const { got } = watch({ text: 'beside' });
    await waitUntil('it is told', () => got.map(brief).includes('beside PENDING'));
    await send(id);
    await waitUntil('the change is told', () => got.map(brief).includes('beside ACTIVE'));
    await waitUntil('so is the event', () => events.got.length > 0);
  });

  await t.test('a reader that is late is told the state of now, not what was in between', async () => {
    const id = await create('slow');
    const open = two.client.watchIntegrations({ filter: { text: 'slow' } });
    const reader = open[Symbol.asyncIterator]();
    assert.equal(brief((await reader.next()).value), 'slow PENDING');
    for (let n = 0; n < 20; n++) {
      const integration = { id, description: `${n}` };
      await client.updateIntegration({ integration, updateMask: { paths: ['description'] } });
    }
    const seen: string[] = [];
    while (seen.at(-1) !== '19') seen.push((await reader.next()).value.integration.description);
    assert.ok(seen.length < 20, seen.join());
    await reader.return?.();
  });
});

test('watches are limited in number, and end with their callers', async (t) => {
  const { clock, postgresUrl } = await controlPlaneForTests(t);
  await using db = new Database(postgresUrl, testDeps());
  const watches = new Watches({ db, clock });
  const over = new AbortController();
  const open = () =>
    watches.watch(new IntegrationWatch(ANYBODY, undefined).answers(watches.integrations, over.signal));
  const ended = Array.from({ length: 2000 }, () => assert.rejects(open().next(), /nobody reads/));
  await assert.rejects(open().next(), (refused) => {
    assert.ok(refused instanceof RpcError);
    assert.equal(refused.code, Code.RESOURCE_EXHAUSTED);
    assert.match(refused.message, /2000 watches already/);
    return true;
  });
  over.abort(new Error('nobody reads'));
  await Promise.all(ended);
  const again = new AbortController();
  const next = watches
    .watch(new IntegrationWatch(ANYBODY, undefined).answers(watches.integrations, again.signal))
    .next();
  assert.equal(await Promise.race([next, sleep(700, 'open')]), 'open');
  again.abort(new Error('enough'));
  await assert.rejects(next, /enough/);
});
