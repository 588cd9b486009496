import { IntegrationSchema } from '../../../gen/penstock/v1/integration_pb.ts';
import { setSecretPaths } from '../../contract/secrets.ts';
import type { Queries } from './database.ts';
import { COLUMNS, type IntegrationRow, toStored } from './integrations.ts';

/** An integration whose secrets are sealed with keys of which some are not among those that were asked for. */
export interface Locked {
  readonly id: string;
  readonly name: string;
  /** The ids of the others. */
  readonly keys: readonly string[];
}

/** Of the oldest integrations some; `total`: how many there are in all. */
export async function lockedIntegrations(
  queries: Queries,
  keyIds: readonly string[],
  limit: number,
): Promise<{ readonly some: readonly Locked[]; readonly total: number }> {
  type Row = { id: string; name: string; keys: string[]; total: number };
  const rows = await queries.query<Row>(
    `select id, name, array(select unnest(secret_keys) except select unnest($1::text[])) as keys,
       (count(*) over ())::int as total
     from integrations where not secret_keys <@ $1::text[] order by create_time, id limit $2`,
    [keyIds, limit],
  );
  return { some: rows.map(({ id, name, keys }) => ({ id, name, keys })), total: rows[0]?.total ?? 0 };
}

/**
 * How many of the integrations that were stored before secrets were sealed have some, of so many that are looked at. Those
 * that have none are noted; `isMore`: others come in their place when it is called again.
 */
export async function countInClearText(
  queries: Queries,
  limit: number,
): Promise<{ readonly count: number; readonly isMore: boolean }> {
  const rows = await queries.query<IntegrationRow>(
    `select ${COLUMNS} from integrations where secret_keys is null order by id limit $1`,
    [limit],
  );
  const all = rows.map((row) => toStored(row).integration);
  const without = all.filter((one) => setSecretPaths(IntegrationSchema, one).length === 0);
  const count = all.length - without.length;
  if (without.length === 0) return { count, isMore: false };
  // Of the generation that was looked at: those that nobody has changed meanwhile.
  const noted = await queries.query(
    `update integrations as i set secret_keys = '{}' from unnest($1::uuid[], $2::bigint[]) as w(id, generation)
     where i.id = w.id and i.generation = w.generation and secret_keys is null and sealed is null returning i.id`,
    [without.map(({ id }) => id), without.map(({ generation }) => generation)],
  );
  return { count, isMore: all.length === limit && noted.length > 0 };
}

/** Integrations with secrets in clear text, or sealed with other keys than this one, from after an id on. */
export async function idsToReseal(
  queries: Queries,
  keyId: string,
  after: string,
  limit: number,
): Promise<string[]> {
  const rows = await queries.query<{ id: string }>(
    `select id from integrations where id > $1 and (secret_keys is null or not secret_keys <@ array[$2])
     order by id limit $3`,
    [after, keyId, limit],
  );
  return rows.map(({ id }) => id);
}
