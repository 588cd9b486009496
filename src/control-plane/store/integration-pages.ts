import { timestampDate } from '@bufbuild/protobuf/wkt';
import { IntegrationState } from '../../../gen/penstock/v1/integration_pb.ts';
import type { Database, Queries } from './database.ts';
import {
  COLUMNS,
  type IntegrationRow,
  type IntegrationSelection,
  type Position,
  parametersOf,
  SELECTED,
  type StoredIntegration,
  toStored,
} from './integrations.ts';
import { countListed, type ListedKind } from './listed-counts.ts';

/** Integrations that one page looks at for a text: then it ends, however little is on it. */
const MAX_LOOKED_AT = 10_000;
const { DISABLED, PENDING, ACTIVE, FAILED } = IntegrationState;
/** Each integration is in one of these. */
const STATES = [DISABLED, PENDING, ACTIVE, FAILED];

/** Where a list goes on: after this position. */
export interface PageStart extends Position {
  /** How many the pages before had. */
  readonly listed: number;
}

export interface IntegrationPage {
  /** The oldest first. */
  readonly stored: readonly StoredIntegration[];
  /** How many there are in all; for a text, among those that were looked at so far. */
  readonly total: number;
  /** Where the next page begins; undefined: this is the last. */
  readonly next: PageStart | undefined;
}

type Selection = Omit<IntegrationSelection, 'ids'>;

/** Looks at hardly more than a page takes, or for a text at so many, whatever is stored. */
export function integrationPage(
  db: Database,
  selection: Selection,
  size: number,
  from: PageStart | undefined,
): Promise<IntegrationPage> {
  const page = selection.text === undefined ? pageOfKinds : searchedPage;
  return page(db, selection, size, from);
}

async function pageOfKinds(
  queries: Queries,
  selection: Selection,
  size: number,
  from: PageStart | undefined,
): Promise<IntegrationPage> {
  const kinds = await countListed(queries);
  const { types = kinds.map(({ type }) => type), states = STATES } = selection;
  const isWanted = ({ type, state }: ListedKind) =>
    types.some((one) => one === type) && states.includes(state);
  const rows = await nextOfKinds(queries, { types, states }, size + 1, from);
  const total = kinds.filter(isWanted).reduce((sum, { count }) => sum + count, 0);
  const stored = rows.slice(0, size).map(toStored);
  return { stored, total, next: rows.length > size ? startAfter(stored, from) : undefined };
}

function startAfter(stored: readonly StoredIntegration[], from: PageStart | undefined): PageStart {
  const { createTime, id } = stored.at(-1)!.integration;
  return { time: timestampDate(createTime!), id, listed: (from?.listed ?? 0) + stored.length };
}

/** So many of each kind, by the index that has them in their order: where one is rare, no others are looked at. */
async function nextOfKinds(
  queries: Queries,
  { types, states }: { readonly types: readonly string[]; readonly states: readonly IntegrationState[] },
  limit: number,
  from: PageStart | undefined,
): Promise<readonly IntegrationRow[]> {
  const wanted = [...new Set(types)];
  const kinds = wanted.flatMap((_, i) =>
    [...new Set(states)].map((state) => `type = $${i + 4} and state = ${state}`),
  );
  if (kinds.length === 0) return [];
  const nexts = kinds.map(
    (kind) => `(select integration_id, create_time from listed_integrations where ${kind}
       and ($1::timestamptz is null or (create_time, integration_id) > ($1, $2::uuid))
       order by create_time, integration_id limit $3)`,
  );
  return queries.query<IntegrationRow>(
    `select ${COLUMNS} from (
       select * from (${nexts.join(' union all ')}) as next order by create_time, integration_id limit $3
     ) as listed join integrations on id = integration_id order by listed.create_time, id`,
    [from?.time ?? null, from?.id ?? null, limit, ...wanted],
  );
}

type SearchedRow = { looked: number; passing: number; last_time: Date; last_id: string } & (
  | IntegrationRow
  | { config: null }
);

/** By the index that has all in their order, whatever PostgreSQL thinks that it costs: it would rather sort all there is. */
function inOrder(db: Database, sql: string, values: readonly unknown[]): Promise<SearchedRow[]> {
  return db.transaction(async (queries) => {
    await queries.query('set local enable_seqscan = off; set local enable_bitmapscan = off');
    return queries.query<SearchedRow>(sql, values);
  });
}

async function searchedPage(
  db: Database,
  selection: Selection,
  size: number,
  from: PageStart | undefined,
): Promise<IntegrationPage> {
  const rows = await inOrder(
    db,
    `with looked as materialized (
       select integration_id, create_time, ${SELECTED} as passes from listed_integrations
       where text <> '' and ($5::timestamptz is null or (create_time, integration_id) > ($5, $6::uuid))
       order by create_time, integration_id limit $7
     ), counted as (
       select count(*)::int as looked, (count(*) filter (where passes))::int as passing, max(create_time) as last_time
       from looked
     ), last as (
       select integration_id as last_id from looked where create_time = (select last_time from counted)
       order by integration_id desc limit 1
     ), listed as (
       select integration_id, create_time from looked where passes order by create_time, integration_id limit $8
     )
     select counted.*, last.*, ${COLUMNS} from counted, last left join listed on true
       left join integrations on id = integration_id order by listed.create_time, id`,
    [...parametersOf(selection), from?.time ?? null, from?.id ?? null, MAX_LOOKED_AT, size + 1],
  );
  const found = rows.filter((row) => row.config !== null);
  const stored = found.slice(0, size).map(toStored);
  const [first] = rows; // none: there was nothing to look at
  const listed = from?.listed ?? 0;
  const total = listed + (first?.passing ?? 0);
  if (found.length > size) return { stored, total, next: startAfter(stored, from) };
  const isEnd = first === undefined || first.looked < MAX_LOOKED_AT;
  const rest = isEnd ? undefined : { time: first.last_time, id: first.last_id, listed: total };
  return { stored, total, next: rest };
}
