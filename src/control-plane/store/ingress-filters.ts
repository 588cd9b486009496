import type { FiltersRow } from '../fold.ts';
import type { Queries } from './database.ts';

/** Stores by which topic filters each ingress takes messages in; never an older generation over a newer one. */
export async function upsertFilters(queries: Queries, filters: readonly FiltersRow[]): Promise<void> {
  if (filters.length === 0) return;
  await queries.query(
    `insert into ingress_filters as f (integration_id, service_id, generation)
     select * from unnest($1::uuid[], $2::text[], $3::bigint[])
     on conflict (integration_id, service_id) do update set generation = excluded.generation
     where f.generation < excluded.generation`,
    [
      filters.map((one) => one.integrationId),
      filters.map((one) => one.serviceId),
      filters.map((one) => one.generation),
    ],
  );
}

/** The ingress nodes that know the topic filters of this generation, or of a later one. */
export async function ingressesWithFilters(
  queries: Queries,
  id: string,
  generation: bigint,
): Promise<ReadonlySet<string>> {
  const rows = await queries.query<{ serviceId: string }>(
    `select service_id as "serviceId" from ingress_filters where integration_id = $1 and generation >= $2`,
    [id, generation],
  );
  return new Set(rows.map(({ serviceId }) => serviceId));
}
