import type { Database } from './database.ts';
import {
  type IntegrationPage,
  type PageStart,
  startAfter,
  type WantedPage,
  walkOf,
} from './integration-order.ts';
import {
  COLUMNS,
  type IntegrationRow,
  LABELLED,
  PASSES,
  parametersOf,
  SELECTED,
  toStored,
} from './integrations.ts';

/** Integrations that one page looks at for a text or labels: then it ends, however little is on it. */
const MAX_LOOKED_AT = 10_000;
/** Those that are found by their labels all at once. */
const MAX_FOUND = 5000;

/** What is listed, or none beside the figures. */
type Listed = IntegrationRow | { config: null };
type Row = { looked: number; passing: number } & Listed;
type SearchedRow = Row & { last_key: Date | string; last_id: string };

/** As PostgreSQL is told to look for it, whatever it thinks that it costs: it would rather look at all there is. */
function without<R extends Row>(
  db: Database,
  plans: readonly string[],
  sql: string,
  values: readonly unknown[],
): Promise<R[]> {
  return db.transaction(async (queries) => {
    await queries.query(plans.map((plan) => `set local enable_${plan} = off`).join('; '));
    return queries.query<R>(sql, values);
  });
}

const storedIn = (rows: readonly Row[]) => rows.filter((row) => row.config !== null).map(toStored);

/** Of those that have the labels and the name, all of which are found by an index; undefined: those are too many. */
export async function labelledPage(db: Database, wanted: WantedPage): Promise<IntegrationPage | undefined> {
  const { selection, order, size, from } = wanted;
  const { column, type, isBeyond, orderBy } = walkOf(order);
  const rows = await without<Row>(
    db,
    ['seqscan', 'indexscan'],
    `with found as materialized (
       select integration_id, ${column} as key, ${PASSES} as passes from listed_integrations
       where ${LABELLED} and text <> '' limit $10
     ), counted as (
       select count(*)::int as looked, (count(*) filter (where passes))::int as passing from found
     ), listed as (
       select integration_id, key from found
       where passes and ($7::${type} is null or (key, integration_id) ${isBeyond} ($7, $8::uuid))
       order by ${orderBy('key', 'integration_id')} limit $9
     )
     select counted.*, ${COLUMNS} from counted left join listed on true
       left join integrations on id = integration_id order by ${orderBy('listed.key', 'id')}`,
    [...parametersOf(selection), from?.key ?? null, from?.id ?? null, size + 1, MAX_FOUND + 1],
  );
  const { looked, passing } = rows[0]!;
  if (looked > MAX_FOUND) return undefined;
  const found = storedIn(rows);
  const stored = found.slice(0, size);
  return { stored, total: passing, next: found.length > size ? startAfter(stored, order, from) : undefined };
}

/** Of those that come next in the order, so many. */
export async function searchedPage(
  db: Database,
  { selection, order, size, from }: WantedPage,
): Promise<IntegrationPage> {
  const { column, type, isBeyond, orderBy, last, against } = walkOf(order);
  // In the order of names those that begin alike stand together.
  const within = order.by === 'name' ? ` and ($6::text is null or name like $6)` : '';
  const rows = await without<SearchedRow>(
    db,
    ['seqscan', 'bitmapscan'],
    `with looked as materialized (
       select integration_id, ${column} as key, ${SELECTED} as passes from listed_integrations
       where text <> ''${within} and ($7::${type} is null or (${column}, integration_id) ${isBeyond} ($7, $8::uuid))
       order by ${orderBy(column, 'integration_id')} limit $9
     ), counted as (
       select count(*)::int as looked, (count(*) filter (where passes))::int as passing, ${last}(key) as last_key
       from looked
     ), last as (
       select integration_id as last_id from looked where key = (select last_key from counted)
       order by integration_id ${against} limit 1
     ), listed as (
       select integration_id, key from looked where passes order by ${orderBy('key', 'integration_id')} limit $10
     )
     select counted.*, last.*, ${COLUMNS} from counted, last left join listed on true
       left join integrations on id = integration_id order by ${orderBy('listed.key', 'id')}`,
    [...parametersOf(selection), from?.key ?? null, from?.id ?? null, MAX_LOOKED_AT, size + 1],
  );
  const found = storedIn(rows);
  const stored = found.slice(0, size);
  const [first] = rows; // none: there was nothing to look at
  const listed = from?.listed ?? 0;
  const total = listed + (first?.passing ?? 0);
  if (found.length > size) return { stored, total, next: startAfter(stored, order, from) };
  const isEnd = first === undefined || first.looked < MAX_LOOKED_AT;
  const rest: PageStart | undefined = isEnd
    ? undefined
    : { key: first.last_key, id: first.last_id, listed: total };
  return { stored, total, next: rest };
}
