import { IntegrationState } from '../../../gen/penstock/v1/integration_pb.ts';
import type { Database, Queries } from './database.ts';
import { type IntegrationPage, startAfter, type WantedPage, walkOf } from './integration-order.ts';
import { COLUMNS, type IntegrationRow, toStored } from './integrations.ts';
import { countListed, type ListedKind } from './listed-counts.ts';
import { labelledPage, searchedPage } from './searched-pages.ts';

const { DISABLED, PENDING, ACTIVE, FAILED } = IntegrationState;
/** Each integration is in one of these. */
const STATES = [DISABLED, PENDING, ACTIVE, FAILED];

/** Looks at hardly more than a page takes, or for a text or labels at so many, whatever is stored. */
export async function integrationPage(db: Database, wanted: WantedPage): Promise<IntegrationPage> {
  const { text, labels = [], namePrefix = '' } = wanted.selection;
  if (labels.length === 0 && namePrefix === '')
    return text === undefined ? pageOfKinds(db, wanted) : searchedPage(db, wanted);
  return (await labelledPage(db, wanted)) ?? searchedPage(db, wanted);
}

async function pageOfKinds(queries: Queries, wanted: WantedPage): Promise<IntegrationPage> {
  const { selection, size, from, order } = wanted;
  const kinds = await countListed(queries);
  const { types = kinds.map(({ type }) => type), states = STATES } = selection;
  const isWanted = ({ type, state }: ListedKind) =>
    types.some((one) => one === type) && states.includes(state);
  const rows = await nextOfKinds(queries, { types, states }, wanted);
  const total = kinds.filter(isWanted).reduce((sum, { count }) => sum + count, 0);
  const stored = rows.slice(0, size).map(toStored);
  return { stored, total, next: rows.length > size ? startAfter(stored, order, from) : undefined };
}

/** So many of each kind, by the index that has them in their order: where one is rare, no others are looked at. */
async function nextOfKinds(
  queries: Queries,
  { types, states }: { readonly types: readonly string[]; readonly states: readonly IntegrationState[] },
  { order, size, from }: WantedPage,
): Promise<readonly IntegrationRow[]> {
  const { column, type, isBeyond, orderBy } = walkOf(order);
  const wanted = [...new Set(types)];
  const kinds = wanted.flatMap((_, i) =>
    [...new Set(states)].map((state) => `type = $${i + 4} and state = ${state}`),
  );
  if (kinds.length === 0) return [];
  const nexts = kinds.map(
    (kind) => `(select integration_id, ${column} as key from listed_integrations where ${kind}
       and ($1::${type} is null or (${column}, integration_id) ${isBeyond} ($1, $2::uuid))
       order by ${orderBy(column, 'integration_id')} limit $3)`,
  );
  return queries.query<IntegrationRow>(
    `select ${COLUMNS} from (
       select * from (${nexts.join(' union all ')}) as next order by ${orderBy('key', 'integration_id')} limit $3
     ) as listed join integrations on id = integration_id order by ${orderBy('listed.key', 'id')}`,
    [from?.key ?? null, from?.id ?? null, size + 1, ...wanted],
  );
}
