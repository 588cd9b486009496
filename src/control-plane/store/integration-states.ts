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
  while ((await db.query('select from uncounted_services limit 1')).length > 0)
    await alone(db, computeStates);
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
    `insert into uncounted_services select distinct unnest($1::text[])
     on conflict (service_id) do update set after_id = default`,
    [services],
  );
}

async function computeStates(queries: Queries): Promise<void> {
  const [service] = await queries.query<{ service_id: string; after_id: string }>(
    'select service_id, after_id from uncounted_services order by service_id limit 1',
  );
  if (!service) return; // somebody else was faster
  const { service_id: name, after_id: after } = service;
  const rows = await queries.query<{ id: string }>(
    `select distinct integration_id as id from executor_states where service_id = $1 and integration_id > $2
     order by integration_id limit $3`,
    [name, after, BATCH],
  );
  const ids = rows.map(({ id }) => id);
  await queries.query('select compute_states($1)', [ids]);
  if (ids.length < BATCH) await queries.query('delete from uncounted_services where service_id = $1', [name]);
  else
    await queries.query('update uncounted_services set after_id = $2 where service_id = $1', [
      name,
      ids.at(-1),
    ]);
}
