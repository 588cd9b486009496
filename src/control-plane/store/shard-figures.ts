import type { Queries } from './database.ts';
import type { StatisticsBefore } from './executor-statistics.ts';
import { inScope, type ScopeSelection } from './scoped.ts';

/** What an executor last told of the figures of one shard. */
export interface ShardFigures {
  readonly integrationId: string;
  readonly shard: number;
  readonly serviceId: string;
  readonly nodeStartTime: Date | undefined;
  readonly time: Date;
  /** It said last that it runs it. */
  readonly isRunning: boolean;
  readonly lag: number;
  readonly oldestAgeMs: number | undefined;
  readonly inFlight: number;
  readonly lastDeliveredTime: Date | undefined;
  /** The time in which was counted what came since the report before; undefined: not told. */
  readonly intervalMs: number | undefined;
  readonly run: string;
  readonly counters: readonly number[];
  /** Undefined: there was no report before. */
  readonly before: StatisticsBefore | undefined;
}

/** What figures executors told of these integrations; nothing of before there were counters. */
export async function shardFiguresOf(queries: Queries, ids: readonly string[]): Promise<ShardFigures[]> {
  type Row = Omit<ShardFigures, 'counters' | 'nodeStartTime' | 'lastDeliveredTime' | 'before'> & {
    counters: string[];
    nodeStartTime: Date | null;
    lastDeliveredTime: Date | null;
    oldestAgeMs: number | null;
    intervalMs: number | null;
    before: StatisticsBefore | null;
  };
  const rows = await queries.query<Row>(
    `select s.integration_id as "integrationId", s.shard::float8 as shard, s.service_id as "serviceId",
       s.node_start_time as "nodeStartTime", s.time, coalesce(e.state, 0) <> 0 as "isRunning", lag::float8 as lag,
       oldest_age_ms::float8 as "oldestAgeMs", coalesce(in_flight, 0)::float8 as "inFlight",
       last_delivered_time as "lastDeliveredTime", interval_ms::float8 as "intervalMs", coalesce(run, '') as run,
       coalesce(counters, '{}') as counters, before
     from executor_statistics s left join executor_states e using (integration_id, shard, service_id)
     where s.integration_id = any($1)`,
    [ids],
  );
  return rows.map((row) => ({
    ...row,
    counters: row.counters.map(Number),
    nodeStartTime: row.nodeStartTime ?? undefined,
    lastDeliveredTime: row.lastDeliveredTime ?? undefined,
    oldestAgeMs: row.oldestAgeMs ?? undefined,
    intervalMs: row.intervalMs ?? undefined,
    before: row.before ?? undefined,
  }));
}

/** Ids of integrations in a scope, of those that are asked for where any are, in order. */
export async function idsFrom(
  queries: Queries,
  asked: readonly string[],
  scope: ScopeSelection | undefined,
  { after, limit }: { readonly after: string | undefined; readonly limit: number },
): Promise<string[]> {
  const values: unknown[] = [limit];
  const given = (value: unknown) => `$${values.push(value)}`;
  const conditions = [inScope('integrations.id', scope, given)];
  if (asked.length > 0) conditions.push(`id = any(${given(asked)}::uuid[])`);
  if (after !== undefined) conditions.push(`id > ${given(after)}`);
  const rows = await queries.query<{ id: string }>(
    `select id from integrations where ${conditions.join(' and ')} order by id limit $1`,
    values,
  );
  return rows.map(({ id }) => id);
}
