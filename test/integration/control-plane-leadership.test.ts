import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Leadership } from '../../src/control-plane/store/leadership.ts';
import { onEnd } from '../helpers/on-end.ts';
import { databaseForTests } from '../helpers/postgres.ts';
import { connectedClient } from '../helpers/postgres-client.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

async function nodes(t: TestContext) {
  const url = await databaseForTests(t);
  const node = () => {
    const leadership = new Leadership(url, testDeps());
    onEnd(t, () => leadership[Symbol.asyncDispose]());
    /** Whether it leads; undefined: it could not be asked. */
    const leads = () =>
      leadership
        .run(async (queries) => (await queries.query('select 1 as n')).length === 1)
        .then(
          (done) => done === true,
          () => undefined,
        );
    return { leadership, leads };
  };
  /** What PostgreSQL, or what is on the way to it, does to idle connections. */
  const cut = async () => {
    await using client = await connectedClient(url);
    const sql = `select pg_terminate_backend(pid) from pg_stat_activity
      where application_name like 'penstock-relay%' and datname = current_database()`;
    assert.ok((await client.query(sql)).rowCount! > 0);
  };
  return { a: node(), b: node(), cut };
}

test('a leader that lost its connection leads no more while another one does', async (t) => {
  const { a, b, cut } = await nodes(t);
  assert.deepEqual([await a.leads(), await b.leads()], [true, false]);
  const { term } = a.leadership;
  await cut();
  await waitUntil('the other one leads', async () => (await b.leads()) === true);
  await waitUntil('the first one can ask again', async () => (await a.leads()) !== undefined);
  assert.deepEqual([await a.leads(), await b.leads()], [false, true]);
  assert.equal(a.leadership.term, term);
  await b.leadership[Symbol.asyncDispose]();
  await waitUntil('the first one leads again', async () => (await a.leads()) === true);
  assert.equal(a.leadership.term, term + 1, 'what it did before was of another term');
});

test('a leader that gets the lock back over a new connection begins a new term', async (t) => {
  const { a, cut } = await nodes(t);
  assert.equal(await a.leads(), true);
  const { term } = a.leadership;
  await cut();
  await waitUntil('it leads again', async () => (await a.leads()) === true && a.leadership.term > term);
});
