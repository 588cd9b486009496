import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findWithReports } from '../../src/control-plane/store/integration-reports.ts';
import { findIntegration } from '../../src/control-plane/store/integrations.ts';
import { reportsOf } from '../../src/control-plane/store/reports.ts';
import { controlPlaneForTests, executorForTests, HTTP } from '../helpers/control-plane.ts';
import { migrated } from '../helpers/event-parts.ts';

const ID = '00000000-0000-4000-8000-000000000001';
const UNKNOWN = '00000000-0000-4000-8000-000000000002';

test('one question finds of an integration what several find', async (t) => {
  const { db } = await migrated(t);
  assert.equal((await findWithReports(db, [ID])).size, 0);
  await db.query(
    `insert into integrations (id, name, description, type, enabled, enabled_change_time, generation, config,
     create_time, update_time) values ($1, '', '', 'http', true, now(), 1, decode('0a24' || encode($2, 'hex'), 'hex'), now(), now())`,
    [ID, Buffer.from(ID)],
  );
  const same = async () => {
    const found = (await findWithReports(db, [UNKNOWN, ID])).get(ID);
    const stored = await findIntegration(db, ID);
    assert.deepEqual(found?.stored, stored);
    const { states, statistics } = (await reportsOf(db, [ID]))(ID);
    const byShard = (a: { shard: number }, b: { shard: number }) => a.shard - b.shard;
    assert.deepEqual(found?.reports.states.toSorted(byShard), states.toSorted(byShard));
    assert.deepEqual(found?.reports.statistics.toSorted(byShard), statistics.toSorted(byShard));
    return states.length + statistics.length;
  };
  assert.equal(await same(), 0);
  await db.query(
    `insert into executor_states (integration_id, shard, service_id, generation, time, state, reason, since,
       node_start_time)
     values ($1, 0, 'e"1', 9007199254740993, now(), 3, E'it''s "so"\\n', now() - interval '9 years', null),
       ($1, 1, 'e2', 2, '1999-12-31T23:59:59.999Z', 0, '', now(), now() - interval '1 millisecond')`,
    [ID],
  );
  await db.query(
    `insert into executor_statistics (integration_id, shard, service_id, time, lag, oldest_age_ms,
       last_delivered_time, event_time, node_start_time)
     values ($1, 0, 'e1', now(), 9007199254740993, null, null, now(), null), ($1, 1, 'e2', now(), 0, 12, now(), now(), now())`,
    [ID],
  );
  assert.equal(await same(), 4);
});

test('an integration is found by its id, however that is written', async (t) => {
  const system = await controlPlaneForTests(t);
  await executorForTests(t, system);
  const { client } = system;
  const { id } = (await client.createIntegration({ integration: HTTP })).integration!;
  assert.equal((await client.getIntegration({ id: id.toUpperCase() })).integration?.id, id);
});
