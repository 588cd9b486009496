import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { create } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { EventKind } from '../../gen/penstock/v1/event_service_pb.ts';
import { IntegrationType } from '../../gen/penstock/v1/integration_pb.ts';
import { IntegrationView } from '../../gen/penstock/v1/integration_service_pb.ts';
import type {
  WatchRequest,
  WatchRequestSchema,
  WatchResponse,
} from '../../gen/penstock/v1/watch_service_pb.ts';
import { controlPlaneForTests, executorForTests, HTTP } from '../helpers/control-plane.ts';
import { nodeForTests } from '../helpers/nodes.ts';
import { connectedClient } from '../helpers/postgres-client.ts';
import { encodedReport, report } from '../helpers/reports.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { type Collected, collect } from '../helpers/stream.ts';
import { waitUntil } from '../helpers/wait-until.ts';

type Asked = Parameters<typeof create<typeof WatchRequestSchema>>[1];

const isSynced = ({ got }: Collected<WatchResponse>) => got.some(({ synced }) => synced);

/** What a caller has that does as the API says: it takes what it is told, and forgets what a synced watch did not tell. */
function apply(had: Iterable<string>, responses: readonly WatchResponse[]): ReadonlySet<string> {
  const has = new Set(had);
  const told = new Set<string>();
  for (const { integrations, synced } of responses) {
    for (const { integration, deleted } of integrations) {
      if (deleted) has.delete(integration!.id);
      else has.add(integration!.id);
      told.add(integration!.id);
    }
    if (synced) for (const id of has) if (!told.has(id)) has.delete(id);
  }
  return has;
}

async function setUp(t: TestContext) {
  const system = await controlPlaneForTests(t);
  await executorForTests(t, system);
  const { client, bus, topics } = system;
  return {
    ...system,
    open: (request: Asked) =>
      collect<WatchResponse>(t, (options) => system.watch.watch(request as WatchRequest, options)),
    make: async (name: string, init = {}) =>
      (await client.createIntegration({ integration: { ...HTTP, name, ...init } })).integration!.id,
    say: (id: string, init: Parameters<typeof report>[1] = {}) =>
      bus.send(topics.uplink.name, { key: id, value: encodedReport(report(id, init)) }),
  };
}

test('one stream of all that a page shows', { timeout: 240_000 }, async (t) => {
  const system = await setUp(t);
  const { client, events, cluster, open, make, say, postgresUrl } = system;
  const integrationsOf = ({ got }: Collected<WatchResponse>) =>
    got.flatMap(({ integrations }) => integrations);
  const eventsOf = ({ got }: Collected<WatchResponse>) => got.flatMap((one) => one.events);
  const synced = (watch: Collected<WatchResponse>) => waitUntil('it is synced', () => isSynced(watch));

  await t.test('where nothing is there it is synced, with nothing', async () => {
    for (const request of [{}, { integrations: {} }, { events: {} }, { integrations: {}, events: {} }]) {
      const watch = open(request);
      await synced(watch);
      assert.deepEqual(
        watch.got.flatMap((one) => [...one.integrations, ...one.events, ...one.nodes]),
        [],
      );
      assert.equal(watch.got.filter((one) => one.synced).length, 1);
      watch.stop();
    }
  });

  nodeForTests(t, system);
  await waitUntil('the nodes are known', async () => (await cluster.listNodes({})).nodes.length === 2);
  const first = await make('first');
  const second = await make('second', { enabled: false });

  await t.test('what is there comes before it is synced, and then what changes', async () => {
    const watch = open({ integrations: {} });
    await synced(watch);
    const until = watch.got.findIndex((one) => one.synced);
    const before = watch.got.slice(0, until + 1).flatMap(({ integrations }) => integrations);
    assert.deepEqual(
      before.map(({ integration }) => integration?.id),
      [first, second],
    );
    await client.updateIntegration({
      integration: { id: first, name: 'new' },
      updateMask: { paths: ['name'] },
    });
    await waitUntil('the change is told', () => integrationsOf(watch).at(-1)?.integration?.name === 'new');
    await say(first, { generation: 2n });
    await waitUntil('so is the state', () => integrationsOf(watch).at(-1)?.integration?.status?.state === 3);
    await client.deleteIntegration({ id: second });
    await waitUntil('so is the deletion', () => integrationsOf(watch).at(-1)?.deleted === true);
    assert.equal(integrationsOf(watch).at(-1)?.integration?.id, second);
    assert.equal(watch.got.filter((one) => one.synced).length, 1);
    assert.deepEqual([...apply([], watch.got)], [first]);
    assert.ok(watch.got.every(({ time }) => Math.abs(timestampMs(time!) - Date.now()) < 60_000));
    watch.stop();
  });

  await t.test('filters and views are those of the other watches', async () => {
    const id = await make('filtered', { labels: { a: 'b' } });
    const filter = { labels: { a: 'b' } };
    const [basic, full] = [IntegrationView.BASIC, IntegrationView.FULL].map((view) =>
      open({ integrations: filter, view }),
    );
    await Promise.all([synced(basic!), synced(full!)]);
    const [row] = integrationsOf(basic!).map(({ integration }) => integration);
    assert.deepEqual([row?.id, row?.type, row?.configuration.case], [id, IntegrationType.HTTP, undefined]);
    assert.equal(integrationsOf(full!)[0]?.integration?.configuration.case, 'http');
    assert.deepEqual(
      [basic!, full!].map((one) => integrationsOf(one).length),
      [1, 1],
    );
    const { fields } = await rpcRejection(async () => {
      const wrong = { startTime: { seconds: -(2n ** 62n) } };
      for await (const _ of system.watch.watch({ events: wrong })) assert.fail('it is told something');
    });
    assert.deepEqual(fields, ['events.start_time']);
  });

  await t.test('whoever watches again forgets what went meanwhile', async () => {
    const gone = await make('gone');
    const had = open({ integrations: {} });
    await synced(had);
    const before = apply([], had.got);
    assert.ok(before.has(gone));
    had.stop();
    await had.ended;
    await client.deleteIntegration({ id: gone });
    const again = open({ integrations: {} });
    await synced(again);
    const after = apply(before, again.got);
    assert.deepEqual([before.size - after.size, after.has(gone)], [1, false]);
  });

  await t.test('nodes come and go', async () => {
    const known = async () => (await cluster.listNodes({})).nodes;
    const told = (watch: Collected<WatchResponse>) =>
      watch.got.flatMap(({ nodes }) => (nodes.length > 0 ? [nodes] : []));
    const brief = (watch: Collected<WatchResponse>) =>
      told(watch).map((nodes) =>
        nodes.map(({ serviceId, integrations }) => `${serviceId} ${integrations}`).join(),
      );
    const id = await make('of the new one');
    const watch = open({ nodes: true });
    await synced(watch);
    const node = nodeForTests(t, system, { serviceId: 'e2' });
    await waitUntil('it has come', () => brief(watch).at(-1) === 'cp 0,e1 1,e2 0');
    await say(id, { serviceId: 'e2' });
    await waitUntil('it runs one', () => brief(watch).at(-1) === 'cp 0,e1 1,e2 1');
    const heard = new Map(
      told(watch)
        .at(-1)!
        .map((one) => [one.serviceId, timestampMs(one.lastSeenTime!)]),
    );
    await waitUntil('all were heard again', async () => {
      return (await known()).every((one) => timestampMs(one.lastSeenTime!) > heard.get(one.serviceId)!);
    });
    await node[Symbol.asyncDispose]();
    await waitUntil('it has gone', () => brief(watch).at(-1) === 'cp 0,e1 1');
    assert.deepEqual(
      brief(watch),
      ['cp 0,e1 1', 'cp 0,e1 1,e2 0', 'cp 0,e1 1,e2 1', 'cp 0,e1 1'],
      'that they were heard is no news',
    );
    const [listed, last] = [await known(), told(watch).at(-1)!];
    const shown = (nodes: typeof listed) =>
      nodes.map(({ lastSeenTime: _, integrationIds: __, ...one }) => one);
    assert.deepEqual(shown(last), shown(listed));
    assert.deepEqual(
      last.flatMap(({ integrationIds }) => integrationIds),
      [],
    );
    watch.stop();
  });

  await t.test('events come once and in order, and whoever lists them then misses none', async () => {
    const id = await make('eventful');
    const filter = { integrationId: id, kinds: [EventKind.ERROR] };
    const error = (n: number) => ({
      report: { case: 'error' as const, value: { message: String(n), count: 1n } },
    });
    const early = open({ events: filter });
    await synced(early);
    let isOver = false;
    let sent = 0;
    const writing = (async () => {
      while (!isOver) await Promise.all(Array.from({ length: 20 }, () => say(id, error(sent++))));
    })();
    await waitUntil('some are there', async () => (await events.listEvents({ filter })).events.length > 0);
    const watch = open({ integrations: {}, events: filter });
    await synced(watch);
    const listed: string[] = [];
    for (let pageToken = ''; ; ) {
      const page = await events.listEvents({ filter, pageSize: 1000, pageToken });
      listed.push(...page.events.map((one) => one.id));
      pageToken = page.nextPageToken;
      if (pageToken === '') break;
    }
    await waitUntil('more have come', () => eventsOf(watch).length > 300);
    isOver = true;
    await writing;
    await using reader = await connectedClient(postgresUrl);
    const stored = async () =>
      (
        await reader.query<{ id: string }>(
          `select id from events where integration_id = $1 and kind = ${EventKind.ERROR} order by version, time, id`,
          [id],
        )
      ).rows.map((row) => row.id);
    await waitUntil('all are stored', async () => (await stored()).length === sent);
    const all = await stored();
    await waitUntil('the last is told', () => eventsOf(watch).at(-1)?.id === all.at(-1));
    await waitUntil('also who watched before', () => eventsOf(early).length >= all.length);
    assert.deepEqual(
      eventsOf(early).map((one) => one.id),
      all,
    );
    const told = eventsOf(watch).map((one) => one.id);
    assert.ok(told.length < all.length, 'some were there before');
    assert.deepEqual(told, all.slice(-told.length));
    assert.deepEqual(new Set([...listed, ...told]), new Set(all));
    assert.ok(watch.got.every((one) => one.events.length <= 100));
  });

  await t.test('many come in parts, and are all there when it is synced', async () => {
    await using writer = await connectedClient(postgresUrl);
    const { rows } = await writer.query<{ n: number }>('select count(*)::int as n from integrations');
    for (let n = rows[0]!.n; n < 450; n += 10) {
      const names = Array.from({ length: Math.min(10, 450 - n) }, (_, i) => `one of many ${n + i}`);
      await Promise.all(names.map((name) => make(name)));
    }
    const watch = open({ integrations: {}, view: IntegrationView.BASIC });
    await synced(watch);
    const until = watch.got.slice(0, watch.got.findIndex((one) => one.synced) + 1);
    const parts = until.map(({ integrations }) => integrations.length).filter((length) => length > 0);
    assert.deepEqual(parts, [200, 200, 50]);
    assert.equal(apply([], until).size, 450);
  });
});
