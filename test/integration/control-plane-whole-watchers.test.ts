import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { WatchRequestSchema, type WatchResponse } from '../../gen/penstock/v1/watch_service_pb.ts';
import { unavailable } from '../../src/control-plane/store/database.ts';
import { wholeWatch } from '../../src/control-plane/watches/whole-watch.ts';
import { RpcError } from '../../src/rpc/error.ts';
import { ANYBODY } from '../helpers/anybody.ts';
import { HTTP } from '../helpers/control-plane.ts';
import { encodedReport, report } from '../helpers/reports.ts';
import { seenWatches } from '../helpers/seen-watches.ts';
import { collect } from '../helpers/stream.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const EVERYTHING = create(WatchRequestSchema, { integrations: {}, events: {}, nodes: true });

/** A control plane, and watches of everything on its PostgreSQL, whose queries are seen before they are made. */
async function setUp(t: TestContext, onQuery: (sql: string) => undefined) {
  const system = await seenWatches(t, onQuery);
  const { watches } = system;
  const open = (caller = ANYBODY) =>
    collect<WatchResponse>(t, ({ signal }) =>
      watches.watch(wholeWatch(EVERYTHING, caller, watches, system.clock, signal!)),
    );
  return { ...system, open };
}

const areSynced = (all: readonly { readonly got: readonly WatchResponse[] }[]) => () =>
  all.every(({ got }) => got.some(({ synced }) => synced));

test('a hundred watches of everything ask PostgreSQL as often as one', { timeout: 120_000 }, async (t) => {
  const asked = { integrations: 0, events: 0, nodes: 0, turns: 0 };
  const { open, client, cluster, bus, topics } = await setUp(t, (sql) => {
    if (sql.includes('string_agg')) asked.nodes++;
    else if (sql.includes('from versions')) asked.turns++;
    else if (sql.includes('join listed_integrations')) asked.integrations++;
    else if (sql.includes('from events')) asked.events++;
  });
  const { integration } = await client.createIntegration({ integration: HTTP });
  const { id } = integration!;
  await waitUntil('the nodes are known', async () => (await cluster.listNodes({})).nodes.length === 2);
  const all = Array.from({ length: 100 }, () => open());
  await waitUntil('all are synced', areSynced(all));
  Object.assign(asked, { integrations: 0, events: 0, nodes: 0, turns: 0 });

  const record = report(id);
  await bus.send(topics.uplink.name, { key: id, value: encodedReport(record) });
  await waitUntil('all are told everything', () =>
    all.every(
      ({ got }) =>
        got.some(({ events }) => events.some((event) => event.id === record.eventId)) &&
        got.some(({ integrations }) => integrations[0]?.integration?.status?.state === 3) &&
        got.some(({ nodes }) => nodes.some(({ integrations }) => integrations === 1)),
    ),
  );
  // Integrations and events are looked for in turns of their own, nodes half as often.
  const { integrations, events, nodes, turns } = asked;
  assert.ok(turns > 0 && nodes > 0);
  assert.ok(nodes <= turns && events <= turns * 2 && integrations <= 2, JSON.stringify(asked));
});

test('when PostgreSQL is away every watch ends, and one that is opened again is synced again', async (t) => {
  let isAway = false;
  const { open, client } = await setUp(t, () => {
    if (isAway) throw unavailable(new Error('away'));
  });
  await client.createIntegration({ integration: HTTP });
  const all = [open(), open(), open()];
  await waitUntil('all are synced', areSynced(all));
  isAway = true;
  for (const { ended } of [...all, open()]) {
    const error = await ended;
    assert.ok(error instanceof RpcError && error.code === Code.UNAVAILABLE, String(error));
  }
  isAway = false;
  const again = open();
  await waitUntil('it is synced', areSynced([again]));
  assert.equal(again.got.flatMap(({ integrations }) => integrations).length, 1);
});
