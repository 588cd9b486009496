import type { Queries } from './database.ts';

/** Due `delay` milliseconds from now, or, without one, after the tombstones are published. */
export async function planTopicDeletion(
  queries: Queries,
  integrationId: string,
  delay?: number,
): Promise<void> {
  await queries.query(
    `insert into topic_deletions values ($1, now() + $2::bigint * interval '1 millisecond')
     on conflict (integration_id) do update set due_time = excluded.due_time`,
    [integrationId, delay ?? null],
  );
}

/** Takes back a plan. Also when its work is done. */
export async function dropTopicDeletions(
  queries: Queries,
  integrationIds: readonly string[],
): Promise<string[]> {
  const sql = 'delete from topic_deletions where integration_id = any($1) returning integration_id';
  const rows = await queries.query<{ integration_id: string }>(sql, [integrationIds]);
  return rows.map((row) => row.integration_id);
}

export async function dueTopicDeletions(queries: Queries, limit: number): Promise<string[]> {
  const rows = await queries.query<{ integration_id: string }>(
    'select integration_id from topic_deletions where due_time <= now() order by due_time limit $1',
    [limit],
  );
  return rows.map((row) => row.integration_id);
}

/** Which of these are integrations, or have their topics deleted in good time, or may become integrations. */
export async function knownIds(queries: Queries, ids: readonly string[]): Promise<Set<string>> {
  // One statement sees one moment: what becomes an integration goes from one table to the other in one transaction.
  const rows = await queries.query<{ id: string }>(
    `select id from integrations where id = any($1)
     union select integration_id from topic_deletions where integration_id = any($1)`,
    [ids],
  );
  return new Set(rows.map(({ id }) => id));
}
