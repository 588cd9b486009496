import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import type { WatchEventsResponse } from '../../gen/penstock/v1/event_service_pb.ts';
import { IntegrationState, IntegrationType } from '../../gen/penstock/v1/integration_pb.ts';
import {
  IntegrationFilterSchema,
  type WatchIntegrationsResponse,
} from '../../gen/penstock/v1/integration_service_pb.ts';
import { UplinkRecordSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import { unavailable } from '../../src/control-plane/store/database.ts';
import type { WantedEvents } from '../../src/control-plane/watches/event-feed.ts';
import { eventsFromNow } from '../../src/control-plane/watches/event-watch.ts';
import { IntegrationWatch } from '../../src/control-plane/watches/integration-watch.ts';
import { RpcError } from '../../src/rpc/error.ts';
import { ANYBODY } from '../helpers/anybody.ts';
import { HTTP } from '../helpers/control-plane.ts';
import { connectedClient } from '../helpers/postgres-client.ts';
import { encodedReport, report } from '../helpers/reports.ts';
import { seenWatches } from '../helpers/seen-watches.ts';
import { collect } from '../helpers/stream.ts';
import { waitUntil } from '../helpers/wait-until.ts';

type Filter = Parameters<typeof create<typeof IntegrationFilterSchema>>[1];

/** A control plane, and watches on its PostgreSQL whose queries are seen before they are made. */
async function setUp(t: TestContext, onQuery: (sql: string) => Disposable | undefined) {
  const system = await seenWatches(t, onQuery);
  const { watches } = system;
  const watch = (filter: Filter = {}) =>
    collect<WatchIntegrationsResponse>(t, ({ signal }) =>
      watches.watch(
        new IntegrationWatch(ANYBODY, create(IntegrationFilterSchema, filter)).answers(
          watches.integrations,
          signal!,
        ),
      ),
    );
  const make = async (name: string, init = {}) =>
    (await system.client.createIntegration({ integration: { ...HTTP, name, ...init } })).integration!.id;
  return { ...system, watch, make };
}

test('three hundred watchers ask PostgreSQL as often as one', { timeout: 120_000 }, async (t) => {
  const asked = { turns: 0, firsts: 0, loads: 0, others: 0 };
  let firstsNow = 0;
  let mostFirsts = 0;
  const { client, watch, make } = await setUp(t, (sql) => {
    if (sql.includes('from versions')) asked.turns++;
    else if (sql.includes('as listed')) {
      asked.firsts++;
      mostFirsts = Math.max(mostFirsts, ++firstsNow);
      return { [Symbol.dispose]: () => void firstsNow-- };
    } else if (sql.includes('join listed_integrations')) asked.loads++;
    else asked.others++;
    return undefined;
  });
  const ids: string[] = [];
  for (let n = 0; n < 20; n++) ids.push(await make(`i${n}`));
  const WATCHERS = 300;
  const all = Array.from({ length: WATCHERS }, () => watch());
  await waitUntil(
    'all have their first state',
    () => all.every(({ got }) => got.length === ids.length),
    60_000,
  );
  assert.equal(asked.firsts, WATCHERS);
  assert.equal(mostFirsts, 1, 'first states are looked for one after the other');

  Object.assign(asked, { turns: 0, firsts: 0, loads: 0, others: 0 });
  const CHANGES = 5;
  for (const id of ids.slice(0, CHANGES)) {
    await client.updateIntegration({ integration: { id, name: 'new' }, updateMask: { paths: ['name'] } });
  }
  await client.deleteIntegration({ id: ids.at(-1)! });
  const isTold = ({ got }: (typeof all)[number]) => got.at(-1)?.deleted;
  await waitUntil('all are told', () => all.every(isTold));
  for (const { got } of all) {
    const told = got.slice(ids.length).map(({ integration, deleted }) => [integration?.id, deleted]);
    assert.deepEqual(
      told.toSorted(),
      [...ids.slice(0, CHANGES).map((id) => [id, false]), [ids.at(-1), true]].toSorted(),
    );
  }
  const { turns, firsts, loads, others } = asked;
  assert.equal(firsts, 0);
  assert.ok(loads <= CHANGES, `${loads} loads`);
  // In each turn the open transactions, what changed, what was deleted and the nodes; with each load what executors said, in
  // two queries, and how many dead letters there are.
  assert.ok(others <= turns * 4 + loads * 3, `${others} queries in ${turns} turns`);
});

test('what passes a watch after a change is what a list finds', { timeout: 120_000 }, async (t) => {
  const { client, watch, make, bus, topics } = await setUp(t, () => undefined);
  const { ACTIVE, PENDING, DISABLED } = IntegrationState;
  const filters: Filter[] = [
    {},
    { text: 'ÉTÉ' },
    { text: 'a\u001fb' },
    { text: 'İx_%' },
    { types: [IntegrationType.MQTT] },
    { labels: { site: '1' } },
    { labels: { site: '1', team: 'x' }, text: 'été' },
    { states: [DISABLED] },
    { states: [ACTIVE, PENDING], types: [IntegrationType.HTTP] },
  ];
  const watched = filters.map((filter) => watch(filter));
  const mqtt = { configuration: { case: 'mqtt' as const, value: { host: 'localhost' } } };
  const active = await make('Été', { labels: { site: '1', team: 'x' } });
  await make('plain', { description: 'in the été', labels: { site: '1' } });
  await make('a', { description: 'b', enabled: false });
  await make('İX_%', mqtt);
  await make('xaa', { ...mqtt, labels: { site: '2', team: 'x' }, enabled: false });
  await bus.send(topics.uplink.name, { key: active, value: encodedReport(report(active)) });
  await waitUntil('it is active', async () => {
    return (await client.getIntegration({ id: active })).integration?.status?.state === ACTIVE;
  });
  for (const [n, filter] of filters.entries()) {
    const { integrations } = await client.listIntegrations({ filter: filter! });
    await waitUntil(`${JSON.stringify(filter)} finds the same`, () => {
      const last = new Map(watched[n]!.got.map(({ integration }) => [integration!.id, integration!.etag]));
      return integrations.length === last.size && integrations.every(({ id, etag }) => last.get(id) === etag);
    });
  }
});

test('when PostgreSQL is away all watchers end, and who watches again is told everything', async (t) => {
  let isAway = false;
  const { watch, make } = await setUp(t, () => {
    if (isAway) throw unavailable(new Error('away'));
    return undefined;
  });
  await make('one');
  const some = [watch(), watch(), watch()];
  await waitUntil('they have it', () => some.every(({ got }) => got.length === 1));
  isAway = true;
  for (const { ended } of some) {
    const error = await ended;
    assert.ok(error instanceof RpcError && error.code === Code.UNAVAILABLE, String(error));
  }
  isAway = false;
  const again = watch();
  await waitUntil('it has it again', () => again.got.length === 1);
});

test('who watches events and reads late is told each of them once, in their order', async (t) => {
  const { watches, make, postgresUrl } = await setUp(t, () => undefined);
  const [id, other] = [await make('one'), await make('other')];
  await using writer = await connectedClient(postgresUrl);
  const store = (integrationId: string, count: number) => {
    const record = toBinary(
      UplinkRecordSchema,
      create(UplinkRecordSchema, { integrationId, serviceId: 'e1', report: { case: 'error', value: {} } }),
    );
    return writer.query(
      `insert into events (id, integration_id, kind, time, record)
       select gen_random_uuid(), $1, 3, date_trunc('milliseconds', now()), $2 from generate_series(1, $3)`,
      [integrationId, Buffer.from(record), count],
    );
  };
  const over = new AbortController();
  t.after(() => over.abort());
  const open = (wanted: WantedEvents) =>
    eventsFromNow(watches.events, wanted, over.signal)[Symbol.asyncIterator]();
  const ofOne: WantedEvents = { selection: { integrationId: id } };
  const ofScope: WantedEvents = { selection: {}, scope: { namePrefix: 'on', labels: [] } };
  await store(id, 3); // before
  const [late, quick, scopedLate, scopedQuick] = [open(ofOne), open(ofOne), open(ofScope), open(ofScope)];
  const pending = [late, quick, scopedLate, scopedQuick].map((reader) => reader.next());
  await waitUntil('all watch', async () => {
    const before = watches.events.join({ ring() {} } as never);
    using _ = before;
    return (await before.feed.start(over.signal)).number === 0;
  });
  await store(id, 1);
  for (let n = 0; n < 4; n++) {
    await store(id, 700);
    await store(other, 1200);
  }
  const { rows } = await writer.query<{ id: string }>(
    'select id from events where integration_id = $1 order by version, time, id offset 3',
    [id],
  );
  const told = async (reader: typeof late, first: ReturnType<typeof late.next>) => {
    const ids: string[] = [(await first).value.event.id];
    while (ids.length < rows.length) ids.push((await reader.next()).value.event.id);
    return ids;
  };
  const wanted = rows.map((row) => row.id);
  const same = (ids: readonly string[]) =>
    assert.equal(
      ids.findIndex((one, n) => one !== wanted[n]),
      -1,
      'one is another, or elsewhere',
    );
  same(await told(quick, pending[1]!));
  same(await told(scopedQuick, pending[3]!));
  await waitUntil('the feed has dropped the first', () => {
    using joined = watches.events.join({ ring() {} } as never);
    return !joined.feed.isKept(5);
  });
  same(await told(late, pending[0]!));
  same(await told(scopedLate, pending[2]!));
  await store(id, 1);
  assert.notEqual((await late.next()).value.event.id, wanted.at(-1));
});

test('watchers of one scope ask once whether events are in it, and those without one do not ask', async (t) => {
  let asked = 0;
  const { watches, make, bus, topics } = await setUp(t, (sql) => {
    if (sql.includes('as asked')) asked++;
    return undefined;
  });
  const [id, other] = [await make('one'), await make('other')];
  const watch = (scope?: WantedEvents['scope']) =>
    collect<WatchEventsResponse>(t, ({ signal }) =>
      watches.watch(eventsFromNow(watches.events, { selection: {}, scope }, signal!)),
    );
  const say = () =>
    Promise.all(
      [other, id].map((one) => bus.send(topics.uplink.name, { key: one, value: encodedReport(report(one)) })),
    );
  const all = [watch(), watch()];
  const idsOf = ({ got }: (typeof all)[number]) => new Set(got.map(({ event }) => event?.integrationId));
  await waitUntil('both are told', async () => {
    await say();
    return all.every((one) => idsOf(one).size === 2);
  });
  assert.equal(asked, 0);
  const scoped = Array.from({ length: 100 }, () => watch({ namePrefix: 'on', labels: [] }));
  await waitUntil('all are told', async () => {
    await say();
    return scoped.every(({ got }) => got.length > 0);
  });
  assert.ok(scoped.every((one) => [...idsOf(one)].join() === id));
  assert.ok(asked > 0);
  assert.ok(asked < scoped.length / 2, `asked ${asked} times`);
});
