import type { IntegrationState } from '../../../gen/penstock/v1/integration_pb.ts';
import type { EventRow, Fold, StateRow } from '../status/fold.ts';
import type { Reports, ShardState, ShardStatistics } from '../status/status.ts';
import type { Queries } from './database.ts';
import { deadLetterCountsOf } from './dead-letter-counts.ts';
import { extendSpans } from './executor-spans.ts';
import { upsertStatistics } from './executor-statistics.ts';
import { upsertFilters } from './ingress-filters.ts';
import { upsertNodes } from './nodes.ts';
import { addToBuckets } from './statistics-buckets.ts';
import { noteUses } from './tokens.ts';

/** How many rows were left out, for a reason. */
export interface LeftOut {
  /** Of integrations that are deleted, or never were. */
  readonly unknown: number;
  /** Statistics too soon after the event before. */
  readonly statistics: number;
}

/**
 * Stores reports: each event once, and of each shard only what is newer than what is there. Within a transaction.
 * @param end one after the last offset of their partition when they were read
 */
export async function storeReports(queries: Queries, fold: Fold, end: number): Promise<LeftOut> {
  await upsertNodes(queries, fold.nodes);
  await extendSpans(queries, fold.heard);
  await noteUses(queries, fold.tokenUses);
  const all = [...fold.events, ...fold.states, ...fold.statistics, ...fold.filters];
  const known = await lockIntegrations(queries, new Set(all.map(({ integrationId }) => integrationId)));
  const isKnown = ({ integrationId }: { integrationId: string }) => known.has(integrationId);
  const events = fold.events.filter(isKnown);
  const statistics = fold.statistics.filter(isKnown);
  await upsertStates(queries, fold.states.filter(isKnown), end);
  await upsertFilters(queries, fold.filters.filter(isKnown));
  const stored = await upsertStatistics(queries, statistics, end);
  const kept = stored.filter(({ isKept }) => isKept).map(({ row }) => row.event);
  await insertEvents(queries, [...events, ...kept]);
  await addToBuckets(queries, stored, end); // last: whoever else stores figures waits for it
  return {
    unknown: fold.events.length - events.length + fold.statistics.length - statistics.length,
    statistics: statistics.length - kept.length,
  };
}

/** Which of them exist; none of those is deleted before the transaction ends. */
async function lockIntegrations(queries: Queries, ids: ReadonlySet<string>): Promise<Set<string>> {
  const rows = await queries.query<{ id: string }>(
    'select id from integrations where id = any($1) order by id for key share',
    [[...ids]],
  );
  return new Set(rows.map(({ id }) => id));
}

/**
 * What is newer is behind it in the partition: the node's clock may have been set back. An offset that the partition does not
 * reach is of a topic that was there before: then the times tell.
 */
async function upsertStates(queries: Queries, states: readonly StateRow[], end: number): Promise<void> {
  if (states.length === 0) return;
  await queries.query(
    `insert into executor_states as s (integration_id, shard, service_id, generation, time, state, reason, since,
       node_start_time, uplink_offset)
     select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::timestamptz[], $6::smallint[],
       $7::text[], $5::timestamptz[], $8::timestamptz[], $9::bigint[])
     on conflict (integration_id, shard, service_id) do update set
       generation = excluded.generation, time = excluded.time, state = excluded.state, reason = excluded.reason,
       node_start_time = excluded.node_start_time, uplink_offset = excluded.uplink_offset,
       since = case when s.state = excluded.state and s.generation = excluded.generation then s.since
                    else excluded.since end
     where (s.generation, s.uplink_offset) < (excluded.generation, excluded.uplink_offset)
       or (s.uplink_offset >= $10 and (s.generation, s.time) < (excluded.generation, excluded.time))`,
    [
      states.map((one) => one.integrationId),
      states.map((one) => one.shard),
      states.map((one) => one.serviceId),
      states.map((one) => one.generation),
      states.map((one) => one.time),
      states.map((one) => one.state),
      states.map((one) => one.reason),
      states.map((one) => one.nodeStartTime ?? null),
      states.map((one) => one.offset),
      end,
    ],
  );
}

/** Stores events, each once. Within a transaction. */
export async function insertEvents(queries: Queries, all: readonly EventRow[]): Promise<void> {
  const there = await storedAhead(queries, all);
  const events = all.filter(({ id }) => !there.has(id));
  if (events.length === 0) return;
  await queries.query(
    `insert into events (id, integration_id, kind, time, record)
     select * from unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::timestamptz[], $5::bytea[])
     on conflict (id) do nothing`,
    [
      events.map((event) => event.id),
      events.map((event) => event.integrationId),
      events.map((event) => event.kind),
      events.map((event) => event.time),
      events.map((event) => Buffer.from(event.record)),
    ],
  );
}

/** Of events with another time each time they are read, those that are stored: perhaps in another part of the table. */
async function storedAhead(queries: Queries, events: readonly EventRow[]): Promise<ReadonlySet<string>> {
  const ids = events.filter(({ wasAhead }) => wasAhead).map(({ id }) => id);
  if (ids.length === 0) return new Set();
  // Who stores the same at this moment ends first, or waits.
  await queries.query("select pg_advisory_xact_lock(hashtextextended('penstock events ahead', 0))");
  const rows = await queries.query<{ id: string }>('select id from events where id = any($1)', [ids]);
  return new Set(rows.map(({ id }) => id));
}

/** What executors said of these integrations, and how many dead letters there are, by id. */
export async function reportsOf(queries: Queries, ids: readonly string[]): Promise<(id: string) => Reports> {
  const states = await statesOf(queries, ids);
  const statistics = await statisticsOf(queries, ids);
  const deadLetters = await deadLetterCountsOf(queries, ids);
  return (id) => ({
    states: states.get(id) ?? [],
    statistics: statistics.get(id) ?? [],
    deadLetters: deadLetters.get(id) ?? 0,
  });
}

async function statesOf(queries: Queries, ids: readonly string[]): Promise<Map<string, ShardState[]>> {
  type Row = Omit<ShardState, 'shard' | 'generation' | 'nodeStartTime'> & {
    shard: string;
    generation: string;
    nodeStartTime: Date | null;
  };
  const rows = await queries.query<Row>(
    `select integration_id as "integrationId", shard, service_id as "serviceId", generation, time, state, reason, since,
       node_start_time as "nodeStartTime"
     from executor_states where integration_id = any($1)`,
    [ids],
  );
  const states = rows.map((row) => ({
    ...row,
    shard: Number(row.shard),
    generation: BigInt(row.generation),
    state: row.state as IntegrationState,
    nodeStartTime: row.nodeStartTime ?? undefined,
  }));
  return Map.groupBy(states, ({ integrationId }) => integrationId);
}

async function statisticsOf(
  queries: Queries,
  ids: readonly string[],
): Promise<Map<string, ShardStatistics[]>> {
  type Row = {
    integrationId: string;
    serviceId: string;
    shard: string;
    nodeStartTime: Date | null;
    time: Date;
    lag: string;
    oldestAgeMs: string | null;
    lastDeliveredTime: Date | null;
  };
  const rows = await queries.query<Row>(
    `select integration_id as "integrationId", shard, service_id as "serviceId", time, lag,
       oldest_age_ms as "oldestAgeMs", last_delivered_time as "lastDeliveredTime",
       node_start_time as "nodeStartTime"
     from executor_statistics where integration_id = any($1)`,
    [ids],
  );
  const statistics = rows.map((row) => ({
    ...row,
    shard: Number(row.shard),
    nodeStartTime: row.nodeStartTime ?? undefined,
    lag: BigInt(row.lag),
    oldestAgeMs: row.oldestAgeMs === null ? undefined : Number(row.oldestAgeMs),
    lastDeliveredTime: row.lastDeliveredTime ?? undefined,
  }));
  return Map.groupBy(statistics, ({ integrationId }) => integrationId);
}
