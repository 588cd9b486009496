import type { IntegrationType } from '../../../gen/penstock/v1/integration_pb.ts';
import { type Heard, SILENCE } from '../status/heard.ts';
import type { Queries } from './database.ts';

/** Stores when executors were heard; what is stored already changes nothing. */
export async function extendSpans(queries: Queries, heard: readonly Heard[]): Promise<void> {
  // One statement takes one span of each executor.
  for (let left = heard; left.length > 0; ) {
    const first = new Map<string, Heard>();
    for (const one of left) if (!first.has(one.serviceId)) first.set(one.serviceId, one);
    await extendEach(queries, [...first.values()]);
    left = left.filter((one) => first.get(one.serviceId) !== one);
  }
}

async function extendEach(queries: Queries, heard: readonly Heard[]): Promise<void> {
  await queries.query(
    `with said as (
       select service_id, since, until, types::int[] as types
       from unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::text[]) as s (service_id, since, until, types)
     ), extended as (
       update executor_spans s set until = greatest(s.until, said.until) from said
       where s.service_id = said.service_id and s.types = said.types
         and said.since <= s.until + $5 * interval '1 millisecond'
         and s.since = (select max(since) from executor_spans where service_id = said.service_id)
       returning s.service_id)
     insert into executor_spans select * from said where service_id not in (select service_id from extended)
     on conflict (service_id, since) do update
       set until = greatest(executor_spans.until, excluded.until), types = excluded.types`,
    [
      heard.map(({ serviceId }) => serviceId),
      heard.map(({ since }) => since),
      heard.map(({ until }) => until),
      heard.map(({ types }) => `{${types.join()}}`),
      SILENCE,
    ],
  );
}

/** In seconds since 1970. */
export interface TimeSpan {
  readonly since: number;
  readonly until: number;
}

/** When any executor was heard that served a type, by the types; the spans of one do not overlap. */
export async function heardBetween(
  queries: Queries,
  start: Date,
  end: Date,
): Promise<ReadonlyMap<IntegrationType, readonly TimeSpan[]>> {
  const rows = await queries.query<TimeSpan & { type: IntegrationType }>(
    `select type, extract(epoch from lower(span))::float8 as since, extract(epoch from upper(span))::float8 as until
     from (select type, range_agg(tstzrange(since, until + $3 * interval '1 millisecond')) as spans
           from executor_spans, unnest(types) as type where until >= $1 and since < $2 group by type) as of_type,
       unnest(spans) as span`,
    [start, end, SILENCE],
  );
  return Map.groupBy(rows, ({ type }) => type);
}

export async function deleteOldSpans(queries: Queries, ttl: number, limit: number): Promise<number> {
  const rows = await queries.query(
    `delete from executor_spans where (service_id, since) in (select service_id, since from executor_spans
       where until < now() - $1 * interval '1 millisecond' limit $2) returning service_id`,
    [ttl, limit],
  );
  return rows.length;
}
