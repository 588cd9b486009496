import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import { NodeReportSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import { integrationsByNode, upsertNodes } from '../../src/control-plane/store/nodes.ts';
import { migrated } from '../helpers/event-parts.ts';

const { ACTIVE, FAILED, UNSPECIFIED } = IntegrationState;
const idOf = (n: number) => `00000000-0000-4000-8000-00000000000${n}`;

test('what a node runs is what it said last of each shard since its start', async (t) => {
  const { db } = await migrated(t);
  const time = new Date();
  const nodes = ['e1', 'e2', 'stopped'].map((serviceId) => ({
    serviceId,
    startTime: new Date(1000),
    time,
    stopping: serviceId === 'stopped',
    report: create(NodeReportSchema),
  }));
  await upsertNodes(db, nodes);
  await db.query(
    `insert into integrations (id, name, description, type, enabled, enabled_change_time, generation, config,
     create_time, update_time) select id, '', '', 'http', true, now(), 1, '', now(), now() from unnest($1::uuid[]) id`,
    [[1, 2, 3, 4, 5, 6].map(idOf)],
  );
  const said = (
    n: number,
    shard: number,
    serviceId: string,
    generation: number,
    ms: number,
    state: IntegrationState = ACTIVE,
  ) =>
    db.query(
      `insert into executor_states (integration_id, shard, service_id, generation, time, state, reason, since)
       values ($1, $2, $3, $4, to_timestamp($5 / 1000.0), $6, '', now())`,
      [idOf(n), shard, serviceId, generation, ms, state],
    );
  // Several shards, one of which moved.
  await said(1, 0, 'e1', 1, 2000);
  await said(1, 1, 'e1', 1, 2000, FAILED);
  await said(1, 2, 'e1', 1, 2000);
  await said(1, 2, 'e2', 1, 3000);
  // Of both for the moment in which it moves.
  await said(2, 0, 'e1', 2, 2000);
  await said(2, 0, 'e2', 1, 3000);
  // What a node said that runs no more, or before its start, hides nothing.
  await said(3, 0, 'e2', 1, 2000);
  await said(3, 0, 'stopped', 2, 3000);
  await said(3, 0, 'e1', 3, 500);
  // It let go.
  await said(4, 0, 'e1', 1, 2000, UNSPECIFIED);
  await said(5, 0, 'unknown', 1, 2000);
  assert.deepEqual(Object.fromEntries(await integrationsByNode(db)), {
    e1: { integrations: 2, ids: [1, 2].map(idOf) },
    e2: { integrations: 3, ids: [1, 2, 3].map(idOf) },
  });
});

test('of thousands of integrations the first are named, and no more are looked at for that', async (t) => {
  const { db } = await migrated(t);
  const node = { serviceId: 'e1', startTime: new Date(1000), time: new Date(), stopping: false };
  await upsertNodes(db, [{ ...node, report: create(NodeReportSchema) }]);
  await db.query(
    `insert into integrations (id, name, description, type, enabled, enabled_change_time, generation, config,
     create_time, update_time) select gen_random_uuid(), '', '', 'http', true, now(), 1, '', now(), now()
     from generate_series(1, 5000)`,
  );
  await db.query(
    `insert into executor_states (integration_id, shard, service_id, generation, time, state, reason, since)
     select id, shard, 'e1', 1, now(), 3, '', now() from integrations, generate_series(0, 1) as shard`,
  );
  await db.query('vacuum analyze executor_states');
  const rows = await db.query<{ id: string }>('select id from integrations order by id limit 1000');
  const running = (await integrationsByNode(db)).get('e1');
  assert.equal(running?.integrations, 5000);
  assert.deepEqual(
    running?.ids,
    rows.map(({ id }) => id),
  );
  const own = rows.slice(-100).map(({ id }) => id);
  const others = 'select id from integrations order by id desc limit 50';
  await db.query(`update integrations set name = 'North' where id = any($1) or id in (${others})`, [own]);
  const scoped = (await integrationsByNode(db, { namePrefix: 'No', labels: [] })).get('e1');
  assert.equal(scoped?.integrations, 150);
  assert.deepEqual(scoped?.ids.slice(0, 100), own);
  const plan: string[] = [];
  await integrationsByNode({
    async query(sql, values) {
      const explained = await db.query<{ 'QUERY PLAN': string }>(
        `explain (analyze, timing off) ${sql}`,
        values,
      );
      plan.push(...explained.map((row) => row['QUERY PLAN']));
      return [];
    },
  });
  // The count looks at all of them, the names at the first ones in their order.
  const named = plan.filter((line) => line.includes('Index Only Scan using executor_states_running'));
  const lookedAt = named.map((line) => Number(/actual rows=([\d.]+)/.exec(line)?.[1]));
  assert.ok(Math.min(...lookedAt) <= 2 * 1000 + 2, plan.join('\n'));
});
