import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { migrate } from '../../src/control-plane/store/migrate.ts';
import { databaseForTests } from '../helpers/postgres.ts';
import { connectedClient } from '../helpers/postgres-client.ts';
import { testDeps } from '../helpers/test-deps.ts';

test('a control plane that knows replays alone goes on with those, and sees no redrive', async (t) => {
  const url = await databaseForTests(t);
  await migrate(url, 10_000, testDeps());
  await using client = await connectedClient(url);
  const [replay, redrive, source] = [randomUUID(), randomUUID(), randomUUID()];
  await client.query(
    `insert into jobs (kind, id, integration_id, target_integration_id, request, state, reason, total, replayed, create_time)
     values ('redrive', $1, $2, $2, '', 1, '', null, 0, now())`,
    [redrive, source],
  );
  // What follows it asked as it is here.
  const insert =
    'insert into replays values ($1, $2, $3, $4, $5, $6, $7, 0, $8) on conflict do nothing returning id';
  const values = [replay, source, source, Buffer.of(), 1, '', 4, new Date()];
  assert.equal((await client.query(insert, values)).rowCount, 1);
  assert.equal((await client.query(insert, values)).rowCount, 0);
  await client.query(
    'insert into replay_partitions select $1, * from unnest($2::int[], $3::bigint[], $4::bigint[])',
    [replay, [0], [0], [4]],
  );
  const ids = async (sql: string, given: unknown[] = []) =>
    (await client.query<{ id: string }>(sql, given)).rows.map(({ id }) => id);
  assert.deepEqual(await ids('select id from replays where finish_time is null order by create_time, id'), [
    replay,
  ]);
  const [row] = (await client.query('select * from replays where id = $1', [replay])).rows;
  assert.deepEqual([row.total, row.replayed, row.kind], ['4', '0', undefined]);
  const move = `with moved as (
      update replay_partitions set next_offset = $4 where replay_id = $1 and partition = $2 and next_offset = $3
      returning replay_id)
    update replays set replayed = replayed + $5 from moved where id = replay_id returning id`;
  assert.deepEqual(await ids(move, [replay, 0, 0, 3, 3]), [replay]);
  assert.deepEqual(await ids(move, [replay, 0, 0, 3, 3]), [], 'it is there already');
  const finish = `update replays set state = $2, finish_time = $3, reason = $4
    where id = $1 and finish_time is null`;
  for (const id of [replay, redrive]) await client.query(finish, [id, 2, new Date(), '']);
  const remove = `delete from replays where id in
      (select id from replays where finish_time < now() - $1 * interval '1 millisecond' limit $2)
    returning id`;
  assert.deepEqual(await ids(remove, [-1000, 10]), [replay]);
  const left = await client.query('select id, kind, state from jobs');
  assert.deepEqual(left.rows, [{ id: redrive, kind: 'redrive', state: 1 }]);
});
