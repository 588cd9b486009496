import type { FiltersRow } from '../status/fold.ts';
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

/** The generation whose topic filters each ingress said it knows. */
export async function filtersOf(queries: Queries, id: string): Promise<ReadonlyMap<string, bigint>> {
  const rows = await queries.query<{ serviceId: string; generation: string }>(
    'select service_id as "serviceId", generation from ingress_filters where integration_id = $1',
    [id],
  );
  return new Map(rows.map(({ serviceId, generation }) => [serviceId, BigInt(generation)]));
}
