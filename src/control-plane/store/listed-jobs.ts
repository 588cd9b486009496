import type { Queries } from './database.ts';
import type { Position } from './integrations.ts';
import type { JobKind, JobRow } from './jobs.ts';
import { MAX_LOOKED_AT, type NextRows, type ScopeSelection, scopedPage, walkOf } from './scoped.ts';

/** A part of a list of jobs of a kind, in the order of their times, from after `after` on. */
export interface JobPage {
  readonly kind: JobKind;
  /** As source or as target; undefined: of all. */
  readonly integrationId: string | undefined;
  readonly after: Position | undefined;
  readonly limit: number;
  readonly isOldestFirst: boolean;
}

export async function listJobs(queries: Queries, page: JobPage): Promise<JobRow[]> {
  const { sql, values } = nextJobs(page);
  return queries.query<JobRow>(sql, values);
}

/** The query for them. */
function nextJobs({ kind, integrationId, ...page }: JobPage): NextRows {
  const [isBeyond, direction] = walkOf(page);
  const values: unknown[] = [page.limit, kind];
  const given = (value: unknown) => `$${values.push(value)}`;
  const id = integrationId === undefined ? undefined : given(integrationId);
  const isNext = page.after
    ? `(create_time, id) ${isBeyond} (${given(page.after.time)}, ${given(page.after.id)})`
    : 'true';
  const order = `create_time ${direction}, id ${direction}`;
  // Each by the index that has its own in their order.
  const selections = id
    ? [`integration_id = ${id}`, `target_integration_id = ${id} and integration_id <> ${id}`]
    : ['true'];
  const nexts = selections.map(
    (selection) =>
      `(select * from jobs where kind = $2 and ${selection} and ${isNext} order by ${order} limit $1)`,
  );
  return {
    sql: `select * from (${nexts.join(' union all ')}) as next order by ${order} limit $1`,
    values,
    direction,
  };
}

const SHOWN = {
  of: ['integration_id', 'target_integration_id'],
  time: 'create_time',
  columns: 'counted.*',
};

/** Jobs whose source and target are in the scope, and where the next page begins, if there may be one. */
export function listScopedJobs(
  queries: Queries,
  scope: ScopeSelection,
  { limit, ...page }: JobPage,
  lookedAt = MAX_LOOKED_AT,
): Promise<{ readonly rows: readonly JobRow[]; readonly next: Position | undefined }> {
  const looked = nextJobs({ ...page, limit: lookedAt });
  return scopedPage<JobRow>(queries, looked, SHOWN, scope, { limit, lookedAt });
}
