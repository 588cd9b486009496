import type { Database, Queries } from './database.ts';
import { IS_LIVING } from './nodes.ts';

const LIVING = `select service_id, start_time from nodes where ${IS_LIVING}`;
/** Nodes that came, went, or were started again since states were computed last. */
const CHANGED = `select service_id from (
  (table counted_nodes except ${LIVING}) union (${LIVING} except table counted_nodes)) as changed`;

/** Integrations whose states are computed in one statement. */
const BATCH = 1000;

/**
 * Lets the states that lists filter by rest on the nodes that run now. Triggers keep them while integrations change and
 * executors report; only that nodes come and go, with time, is to be looked for.
 */
export async function countNodes(db: Database): Promise<void> {
  if ((await db.query(CHANGED)).length === 0) return;
  await db.transaction(async (queries) => {
    await queries.query('select pg_advisory_xact_lock(counted_nodes_lock())');
    const services = (await queries.query<{ service_id: string }>(CHANGED)).map((row) => row.service_id);
    await queries.query('delete from counted_nodes where service_id = any($1)', [services]);
    await queries.query(`insert into counted_nodes ${LIVING} and service_id = any($1)`, [services]);
    await computeStates(queries, services);
  });
}

async function computeStates(queries: Queries, services: readonly string[]): Promise<void> {
  const rows = await queries.query<{ id: string }>(
    'select distinct integration_id as id from executor_states where service_id = any($1)',
    [services],
  );
  for (let i = 0; i < rows.length; i += BATCH) {
    await queries.query('select compute_states($1)', [rows.slice(i, i + BATCH).map(({ id }) => id)]);
  }
}
