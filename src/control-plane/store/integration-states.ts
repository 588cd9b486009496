import type { Database, Queries } from './database.ts';
import { IS_LIVING } from './nodes.ts';

const LIVING = `select service_id, start_time from nodes where ${IS_LIVING}`;
/** Nodes that came, went, or were started again since they were counted last. */
const CHANGED = `select service_id from (
  (table counted_nodes except ${LIVING}) union (${LIVING} except table counted_nodes)) as changed`;

/** Integrations whose states are computed in one transaction: while it runs, nothing else is written. */
const BATCH = 500;

/**
 * Lets the states that lists filter by rest on the nodes that run now. Triggers keep them while integrations change and
 * executors report; only that nodes come and go, with time, is to be looked for. Who changes an integration waits for one
 * batch, not for all of them; those to come are remembered, whoever computes them, and whether it dies or not.
 */
export async function countNodes(db: Database): Promise<void> {
  if ((await db.query(CHANGED)).length > 0) await alone(db, count);
  while ((await db.query('select from uncounted_states limit 1')).length > 0) await alone(db, computeStates);
}

/** While nobody else computes states: two that did so at once would each miss what the other one has not committed. */
function alone(db: Database, work: (queries: Queries) => Promise<void>): Promise<void> {
  return db.transaction(async (queries) => {
    await queries.query('select pg_advisory_xact_lock(counted_nodes_lock())');
    await work(queries);
  });
}

async function count(queries: Queries): Promise<void> {
  const services = (await queries.query<{ service_id: string }>(CHANGED)).map((row) => row.service_id);
  await queries.query('delete from counted_nodes where service_id = any($1)', [services]);
  await queries.query(`insert into counted_nodes ${LIVING} and service_id = any($1)`, [services]);
  await queries.query(
    `insert into uncounted_states select distinct integration_id from executor_states where service_id = any($1)
     on conflict do nothing`,
    [services],
  );
}

async function computeStates(queries: Queries): Promise<void> {
  const rows = await queries.query<{ id: string }>(
    `delete from uncounted_states where integration_id in
       (select integration_id from uncounted_states order by integration_id limit $1) returning integration_id as id`,
    [BATCH],
  );
  await queries.query('select compute_states($1)', [rows.map(({ id }) => id)]);
}
