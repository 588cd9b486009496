import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { NodeRole } from '../../gen/penstock/v1/cluster_service_pb.ts';
import { DeliveryPolicySchema } from '../../gen/penstock/v1/delivery_pb.ts';
import { IntegrationSchema, IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import { NodeReportSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import { statusOf } from '../../src/control-plane/status/status.ts';
import type { Queries } from '../../src/control-plane/store/database.ts';
import { countNodes } from '../../src/control-plane/store/integration-states.ts';
import { listIntegrations } from '../../src/control-plane/store/integrations.ts';
import { foldCounts } from '../../src/control-plane/store/listed-counts.ts';
import { forgetNodes, loadCluster } from '../../src/control-plane/store/nodes.ts';
import { reportsOf } from '../../src/control-plane/store/reports.ts';
import { insert, type Store, storeForTests } from '../helpers/listed-store.ts';
import { connectedClient } from '../helpers/postgres-client.ts';

const { DISABLED, PENDING, ACTIVE, FAILED, UNSPECIFIED } = IntegrationState;
const STATES = { DISABLED, PENDING, ACTIVE, FAILED };
const SERVICES = ['e0', 'e1', 'e2'];
async function says({ db }: Store, id: string, said: Said): Promise<void> {
  await db.query(
    `insert into executor_states (integration_id, shard, service_id, generation, time, state, reason, since, node_start_time)
     values ($1, $2, $3, $4, to_timestamp($5), $6, '', to_timestamp($5), to_timestamp($7))
     on conflict (integration_id, shard, service_id) do update
       set generation = excluded.generation, state = excluded.state, time = excluded.time,
           node_start_time = excluded.node_start_time`,
    [id, said.shard, said.service, said.generation, said.time, said.state, said.nodeStart],
  );
}

async function hears(
  { db }: Store,
  service: string,
  { start = 5, ago = 0, stopping = false },
): Promise<void> {
  const report = Buffer.from(
    toBinary(NodeReportSchema, create(NodeReportSchema, { roles: [NodeRole.EXECUTOR], types: [1] })),
  );
  await db.query(
    `insert into nodes (service_id, start_time, time, last_seen, stopping, report)
     values ($1, to_timestamp($2), now(), now() - $3 * interval '1 second', $4, $5)
     on conflict (service_id) do update set start_time = excluded.start_time, last_seen = excluded.last_seen,
       stopping = excluded.stopping`,
    [service, start, ago, stopping, report],
  );
}

/** What is counted as things change is what is there, before and after what was counted is folded. */
async function countsAgree({ db }: Store): Promise<void> {
  const there = await db.query(
    'select type, state, count(*)::int as n from listed_integrations group by 1, 2 order by 1, 2',
  );
  const counted = () =>
    db.query(
      'select type, state, sum(listed)::int as n from listed_counts group by 1, 2 having sum(listed) <> 0 order by 1, 2',
    );
  assert.deepEqual(await counted(), there);
  await foldCounts(db);
  assert.deepEqual(await counted(), there);
  const [row] = await db.query<{ n: number }>('select count(*)::int as n from listed_counts');
  assert.equal(row?.n, there.length);
}

const said = fc.record({
  shard: fc.integer({ min: 0, max: 1 }),
  service: fc.constantFrom(...SERVICES),
  generation: fc.integer({ min: 1, max: 2 }),
  time: fc.integer({ min: 1, max: 9 }),
  state: fc.constantFrom(UNSPECIFIED, PENDING, ACTIVE, FAILED),
  nodeStart: fc.option(fc.integer({ min: 4, max: 6 })),
});
type Said = typeof said extends fc.Arbitrary<infer S> ? S : never;
const heard = fc.record({
  start: fc.integer({ min: 4, max: 6 }),
  ago: fc.constantFrom(0, 60),
  stopping: fc.boolean(),
});
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ what: fc.constant('says' as const), said }) },
  fc.record({ what: fc.constant('hears' as const), service: fc.constantFrom(...SERVICES), heard }),
  fc.record({ what: fc.constant('changes' as const), enabled: fc.boolean() }),
  fc.record({ what: fc.constant('forgets' as const) }),
);

test('the states that lists filter by are those that a status says, whatever happens', async (t) => {
  const store = await storeForTests(t);
  const { db } = store;
  const delivery = create(DeliveryPolicySchema, { maxExecutors: 2 });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
      await db.query('delete from nodes');
      await hears(store, 'cp', {}); // somebody is heard, so that others can be silent
      const [id = ''] = await insert(store, [{ name: 'one' }]);
      for (const one of steps) {
        if (one.what === 'says') await says(store, id, one.said);
        if (one.what === 'hears') await hears(store, one.service, one.heard);
        if (one.what === 'forgets') await forgetNodes(db, 10_000);
        if (one.what === 'changes') {
          const sql = 'update integrations set enabled = $2, generation = 2 where id = $1';
          await db.query(sql, [id, one.enabled]);
        }
        await countNodes(db);
        const [found] = await listIntegrations(db, { ids: [id] });
        const [row] = await db.query<{ enabled: boolean; generation: string; state: number }>(
          'select enabled, generation, state from integrations join listed_integrations on id = integration_id where id = $1',
          [id],
        );
        const integration = create(IntegrationSchema, {
          ...found!.integration,
          enabled: row!.enabled,
          generation: BigInt(row!.generation),
          delivery,
        });
        const reports = (await reportsOf(db, [id]))(id);
        const { state } = statusOf({ ...found!, integration }, reports, await loadCluster(db));
        assert.equal(row!.state, state);
        await countsAgree(store);
      }
      await db.query('delete from integrations where id = $1', [id]);
      await countsAgree(store);
    }),
    { numRuns: 40 },
  );
});

test('a list by state follows the nodes: each integration is in one list, page by page', async (t) => {
  const store = await storeForTests(t);
  const ids = await insert(
    store,
    Array.from({ length: 9 }, (_, n) => ({ name: `number ${n}` })),
  );
  const state = (id: string, state: Said['state']) =>
    says(store, id, { shard: 0, service: 'e0', generation: 1, time: 9, state, nodeStart: 5 });
  for (const id of ids.slice(0, 6)) await state(id, ACTIVE);
  await state(ids[6]!, FAILED);
  const lists = async () => {
    const found: Record<string, number[]> = {};
    for (const [name, one] of Object.entries(STATES)) {
      const of: number[] = [];
      let pageToken = '';
      do {
        const page = await store.list({ states: [one] }, 2, pageToken);
        for (const { id, status } of page.integrations ?? []) {
          assert.equal(status?.state, one);
          of.push(ids.indexOf(id!));
        }
        pageToken = page.nextPageToken ?? '';
        if (pageToken === '') assert.equal(page.totalSize, of.length);
      } while (pageToken !== '');
      found[name] = of;
    }
    return found;
  };
  const nobody = { DISABLED: [], PENDING: [0, 1, 2, 3, 4, 5, 6, 7, 8], ACTIVE: [], FAILED: [] };
  const running = { DISABLED: [], PENDING: [7, 8], ACTIVE: [0, 1, 2, 3, 4, 5], FAILED: [6] };
  assert.deepEqual(await lists(), nobody);
  await hears(store, 'cp', {});
  await hears(store, 'e0', {});
  assert.deepEqual(await lists(), running);
  await hears(store, 'e0', { ago: 60 });
  assert.deepEqual(await lists(), nobody, 'it is not heard any more');
  await hears(store, 'e0', {});
  assert.deepEqual(await lists(), running);
  await hears(store, 'e0', { start: 10 });
  assert.deepEqual(await lists(), nobody, 'it was started again');
});

test('integrations that were made at the same moment are all listed, page by page, whatever the filter', async (t) => {
  const store = await storeForTests(t);
  const rows = Array.from({ length: 7 }, (_, n) => ({ name: `number ${n}` }));
  const ids = await insert(store, rows, 0);
  const filters = [{}, { states: [STATES.PENDING] }, { text: 'number' }, { types: [1] }];
  for (const filter of filters as Parameters<Store['list']>[0][]) {
    const found: string[] = [];
    let pageToken = '';
    do {
      const page = await store.list(filter, 2, pageToken);
      found.push(...(page.integrations ?? []).map(({ id }) => id!));
      pageToken = page.nextPageToken ?? '';
    } while (pageToken !== '');
    assert.deepEqual(found, ids.toSorted(), JSON.stringify(filter));
  }
});

test('no page reads more integrations than it shows, however many there are', async (t) => {
  const store = await storeForTests(t);
  const { db, list } = store;
  await hears(store, 'e0', {});
  await insert(
    store,
    Array.from({ length: 3000 }, (_, n) => {
      return { name: `Number ${n}`, description: `of a FLOOR ${n % 10}`, enabled: n % 2 === 0 };
    }),
  );
  await db.query(
    `insert into executor_states (integration_id, shard, service_id, generation, time, state, reason, since)
     select id, 0, 'e0', 1, now(), 3, '', now() from integrations where name like 'Number %00'`,
  );
  let rows = 0;
  const query = db.query.bind(db);
  db.query = async (...args: Parameters<typeof query>) => {
    const found = await query(...args);
    rows += found.length;
    return found as never;
  };
  for (const [filter, total] of [
    [{ states: [ACTIVE] }, 29],
    [{ states: [DISABLED] }, 1500],
    [{ states: [PENDING], text: 'floor 4' }, 300],
    [{ states: [PENDING, DISABLED] }, 2971],
    [{ text: 'nUmBeR 29' }, 111],
    [{ types: [2] }, 0],
    [{}, 3000],
  ] as const) {
    rows = 0;
    const page = await list(filter as never, 20);
    assert.deepEqual([page.totalSize, page.integrations?.length], [total, Math.min(20, total)]);
    assert.ok(rows < 60, `${rows} rows for ${JSON.stringify(filter)}`);
  }
});

/** The rows that PostgreSQL looks at for a query. */
async function rowsLookedAt(queries: Queries, sql: string, values: readonly unknown[]): Promise<number> {
  interface Plan {
    readonly 'Node Type': string;
    readonly 'Actual Rows': number;
    readonly 'Actual Loops': number;
    readonly 'Rows Removed by Filter'?: number;
    readonly Plans?: readonly Plan[];
  }
  const ofPlan = (plan: Plan): number => {
    const own = plan['Actual Rows'] + (plan['Rows Removed by Filter'] ?? 0);
    // What an index alone says of where rows are is not a look at them.
    const isOfTable =
      / Scan$/.test(plan['Node Type']) && !/^(CTE|Function|Subquery|Bitmap Index)/.test(plan['Node Type']);
    const inner = (plan.Plans ?? []).reduce((sum, one) => sum + ofPlan(one), 0);
    return inner + (isOfTable ? own * plan['Actual Loops'] : 0);
  };
  const rows = await queries.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
    `explain (analyze, timing off, format json) ${sql}`,
    values,
  );
  return ofPlan(rows[0]!['QUERY PLAN'][0].Plan);
}

test('no page looks at more than so many, whatever is stored; one for a text says where the next goes on', async (t) => {
  const store = await storeForTests(t);
  const { db, list } = store;
  const [first = ''] = await insert(store, [{ name: 'the first' }]);
  await using client = await connectedClient(store.url);
  await client.query('alter table integrations disable trigger listed'); // not one by one
  await client.query(
    `insert into integrations (id, name, description, type, enabled, enabled_change_time, generation, config, create_time,
       update_time)
     select ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, '', '', 'http', n % 3 > 0, create_time, 1, config,
       create_time + (n / 3) * interval '1 millisecond', create_time
     from generate_series(1, 50000) as n, integrations where id = $1`,
    [first],
  );
  await client.query(
    `insert into listed_integrations select id, create_time, type,
       case when id::text like '%0000' then 'a rare one' else 'number ' || id end, case when enabled then 2 else 1 end,
       'name ' || right(id::text, 5), update_time,
       case when id::text like '%00' then array['all=yes', 'rare=a%b'] else array['all=yes'] end
     from integrations where id <> $1 order by md5(id::text)`, // not in the order of time
    [first],
  );
  await client.query('analyze');
  let looked = 0;
  const query = db.query.bind(db);
  db.query = async (sql: string, values: readonly unknown[] = []) => {
    if (/^(select|with)/.test(sql)) looked += await rowsLookedAt({ query }, sql, values);
    return (await query(sql, values)) as never;
  };
  const transaction = db.transaction.bind(db);
  db.transaction = (work) =>
    transaction((queries) =>
      work({
        query: async (sql, values = []) => {
          if (/^with/.test(sql)) looked += await rowsLookedAt(queries, sql, values);
          return queries.query(sql, values);
        },
      }),
    );
  for (const [filter, total] of [
    [{}, 50_001],
    [{ states: [PENDING] }, 33_335],
    [{ states: [DISABLED, PENDING] }, 50_001],
    [{ types: [1], states: [DISABLED] }, 16_666],
    [{ states: [FAILED] }, 0],
    [{ types: [2, 3] }, 0],
  ] as const) {
    looked = 0;
    const page = await list(filter as never, 20);
    assert.equal(page.totalSize, total);
    if (page.nextPageToken) await list(filter as never, 20, page.nextPageToken);
    assert.ok(looked < 1000, `${looked} rows for ${JSON.stringify(filter)}`);
    for (const orderBy of ['create_time desc', 'update_time', 'update_time desc', 'name', 'name desc']) {
      looked = 0;
      const ordered = await list(filter as never, 20, '', orderBy);
      assert.equal(ordered.totalSize, total);
      if (ordered.nextPageToken) await list(filter as never, 20, ordered.nextPageToken, orderBy);
      assert.ok(looked < 1000, `${looked} rows for ${JSON.stringify(filter)} by ${orderBy}`);
    }
  }
  for (const orderBy of ['', 'update_time desc', 'name']) {
    looked = 0;
    const rare = await list({ labels: { rare: 'a%b' } }, 20, '', orderBy);
    assert.deepEqual([rare.totalSize, rare.integrations?.length], [500, 20]);
    assert.ok(looked < 1000, `${looked} rows for a rare label by ${orderBy}`);
    looked = 0;
    const common = await list({ labels: { all: 'yes' }, text: 'number' }, 20, '', orderBy);
    assert.equal(common.integrations?.length, 20);
    assert.ok(looked < 21_000, `${looked} rows for a label of all by ${orderBy}`);
  }
  let found = 0;
  const totals: number[] = [];
  for (let pageToken = ''; ; ) {
    looked = 0;
    const page = await list({ text: 'RARE', states: [PENDING] }, 50, pageToken);
    assert.ok(looked < 11_000, `${looked} rows`);
    found += page.integrations!.length;
    totals.push(page.totalSize!);
    pageToken = page.nextPageToken ?? '';
    if (!pageToken) break;
  }
  assert.deepEqual([found, totals], [4, [0, 1, 2, 2, 3, 4]]);
});

test('when nodes come and go the states are computed in parts, between which all is written, and no part is lost', async (t) => {
  const store = await storeForTests(t);
  const { db, list } = store;
  const ids = await insert(
    store,
    Array.from({ length: 2500 }, (_, n) => ({ name: `number ${n}` })),
  );
  await db.query(
    `insert into executor_states (integration_id, shard, service_id, generation, time, state, reason, since)
     select id, 0, 'e0', 1, now(), 3, '', now() from integrations`,
  );
  const sizeOf = async (state: IntegrationState) => (await list({ states: [state] }, 1)).totalSize;
  assert.equal(await sizeOf(PENDING), 2500);
  await hears(store, 'e0', {});

  const transaction = db.transaction.bind(db);
  const parts: number[] = [];
  let dies = true;
  db.transaction = async (work) => {
    if (parts.length === 3 && dies) throw new Error('the node dies');
    let computed = 0;
    const done = await transaction((queries) =>
      work({
        query: (sql, values = []) => {
          if (sql.includes('compute_states')) computed += (values[0] as string[]).length;
          return queries.query(sql, values);
        },
      }),
    );
    parts.push(computed);
    const [id = ''] = ids.splice(-1);
    await db.query('update integrations set enabled = false where id = $1', [id]);
    return done;
  };
  await assert.rejects(list({ states: [ACTIVE] }), /the node dies/);
  const [left] = await db.query<{ n: number }>('select count(*)::int as n from uncounted_services');
  assert.equal(left?.n, 1, 'what is to come is remembered by node, however many integrations it has');
  dies = false;
  await Promise.all([list({ states: [ACTIVE] }), list({ states: [FAILED] })]);
  db.transaction = transaction;
  assert.ok(Math.max(...parts) <= 500, `parts of ${parts}`);
  const disabled = parts.length;
  assert.deepEqual(
    [await sizeOf(DISABLED), await sizeOf(ACTIVE), await sizeOf(PENDING)],
    [disabled, 2500 - disabled, 0],
  );
});
