import type { Queries } from './database.ts';
import { type IntegrationSelection, type Position, startsWith } from './integrations.ts';

/** The integrations that a caller is limited to. */
export type ScopeSelection = Required<Pick<IntegrationSelection, 'labels' | 'namePrefix'>>;

/** Rows that one page looks at: then it ends, however little is on it. */
export const MAX_LOOKED_AT = 5000;

/**
 * The condition, in SQL, that the integration with the id in this column is there and in the scope; without a scope, nothing
 * is asked. It looks at one row by its id.
 * @param given takes a value and answers its placeholder
 */
export function inScope(
  idColumn: string,
  scope: ScopeSelection | undefined,
  given: (value: unknown) => string,
): string {
  if (scope === undefined) return 'true';
  const conditions = [`scoped.integration_id = ${idColumn}`];
  if (scope.labels.length > 0) conditions.push(`scoped.labels @> ${given(scope.labels)}::text[]`);
  if (scope.namePrefix !== '') conditions.push(`scoped.name like ${given(startsWith(scope.namePrefix))}`);
  return `exists (select from listed_integrations as scoped where ${conditions.join(' and ')})`;
}

/** Those of the ids whose integrations are there and in the scope. */
export async function idsInScope(
  queries: Queries,
  ids: readonly string[],
  scope: ScopeSelection,
): Promise<ReadonlySet<string>> {
  const values: unknown[] = [ids];
  const isScoped = inScope('asked.id', scope, (value) => `$${values.push(value)}`);
  const rows = await queries.query<{ id: string }>(
    `select id from unnest($1::uuid[]) as asked (id) where ${isScoped}`,
    values,
  );
  return new Set(rows.map(({ id }) => id));
}

/** A query for rows with an `id` and a time, in the order of both. */
export interface NextRows {
  readonly sql: string;
  /** Of its placeholders. */
  readonly values: readonly unknown[];
  readonly direction: 'asc' | 'desc';
}

/** How such rows are walked: what lies beyond a position, and in which direction. */
export const walkOf = ({ isOldestFirst }: { readonly isOldestFirst?: boolean | undefined }) =>
  isOldestFirst ? (['>', 'asc'] as const) : (['<', 'desc'] as const);

/** What a page shows of rows that were looked at. */
interface Shown {
  /** The columns with ids of integrations, all of which must be in the scope. */
  readonly of: readonly string[];
  /** The column with the time that they are ordered by. */
  readonly time: string;
  /** The columns that a page needs. */
  readonly columns: string;
}

/** Of rows, `lookedAt` at most, up to `limit` of those in the scope, and where the next page begins, if there may be one. */
export async function scopedPage<R extends object>(
  queries: Queries,
  { sql, direction, ...next }: NextRows,
  { of, time, columns }: Shown,
  scope: ScopeSelection,
  { limit, lookedAt }: { readonly limit: number; readonly lookedAt: number },
): Promise<{ readonly rows: readonly R[]; readonly next: Position | undefined }> {
  const orderBy = (at: string, id: string) => `${at} ${direction}, ${id} ${direction}`;
  const values = [...next.values];
  const given = (value: unknown) => `$${values.push(value)}`;
  const passes = of.map((column) => inScope(`looked.${column}`, scope, given)).join(' and ');
  // Up to the one after the last that is wanted, and of the others no more than where they stand.
  const rows = await queries.query<Record<string, unknown>>(
    `select shown.*, counted.id as looked_id, counted.${time} as looked_time, counted.passes as is_shown from (
       select *, count(*) filter (where passes) over (order by ${orderBy(time, 'id')}) as passing from (
         select looked.*, ${passes} as passes from (${sql}) as looked) as judged
     ) as counted left join lateral (select ${columns} where counted.passes) as shown on true
     where counted.passing <= ${given(limit + 1)} order by ${orderBy('looked_time', 'looked_id')}`,
    values,
  );
  const found = rows.filter((row) => row.is_shown);
  const end = found.length > limit ? found[limit - 1] : rows.length === lookedAt ? rows.at(-1) : undefined;
  return {
    rows: found.slice(0, limit) as R[],
    next: end && { time: end.looked_time as Date, id: end.looked_id as string },
  };
}
