import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { NodeReportSchema } from '../../../gen/penstock/v1/uplink_pb.ts';
import type { Cluster, KnownNode, NodeState } from '../status/cluster.ts';
import type { Queries } from './database.ts';
import { inScope, type ScopeSelection } from './scoped.ts';

/** A node is gone when it was silent for so long while others were heard. */
const SILENCE = '6 seconds';
/** When no node was heard for so long, it was not the nodes that were silent. Two intervals of reports. */
const GAP = '4 seconds';
/** After so long a report replaces one that seems newer: the node's clock was set back. */
const CLOCK_SET_BACK = '1 minute';

/**
 * The moment that silence is measured against: the last report of any node, so that nobody is taken for gone while none
 * comes, be it that no control plane reads them or that Kafka is away. When they come again, each node has time to be heard:
 * until then it is the last report before.
 */
const HEARD = `(select case when max(last_seen) < max(until) + interval '${SILENCE}' then max(since)
  else max(last_seen) end from nodes, report_gap)`;

/** Stores what nodes say of themselves; never over what they said later. */
export async function upsertNodes(queries: Queries, nodes: readonly NodeState[]): Promise<void> {
  if (nodes.length === 0) return;
  await queries.query(
    `with gap as (
       update report_gap set until = now(),
         since = case when newest < until + interval '${SILENCE}' then since else newest end
       from (select max(last_seen) as newest from nodes) as before where newest < now() - interval '${GAP}')
     insert into nodes as n (service_id, start_time, time, last_seen, stopping, report)
     select service_id, start_time, time, now(), stopping, report from unnest($1::text[], $2::timestamptz[],
       $3::timestamptz[], $4::boolean[], $5::bytea[]) as r (service_id, start_time, time, stopping, report)
     on conflict (service_id) do update set start_time = excluded.start_time, time = excluded.time,
       last_seen = excluded.last_seen, stopping = excluded.stopping, report = excluded.report
     where (n.start_time, n.time) < (excluded.start_time, excluded.time)
       or ((n.start_time, n.time) <> (excluded.start_time, excluded.time)
           and n.last_seen < now() - interval '${CLOCK_SET_BACK}')`,
    [
      nodes.map((one) => one.serviceId),
      nodes.map((one) => one.startTime),
      nodes.map((one) => one.time),
      nodes.map((one) => one.stopping),
      nodes.map((one) => Buffer.from(toBinary(NodeReportSchema, one.report))),
    ],
  );
}

/** Whether a node of `nodes` runs. */
export const IS_LIVING = `not stopping and last_seen >= ${HEARD} - interval '${SILENCE}'`;

/** Every node that was heard of. */
export async function loadCluster(queries: Queries): Promise<Cluster> {
  type Row = Omit<KnownNode, 'report'> & { report: Uint8Array };
  const rows = await queries.query<Row>(
    `select service_id as "serviceId", start_time as "startTime", time, last_seen as "lastSeen", stopping, report,
       ${IS_LIVING} as "isLiving"
     from nodes order by service_id`,
  );
  const nodes = rows.map((row) => ({ ...row, report: fromBinary(NodeReportSchema, row.report) }));
  return new Map(nodes.map((node) => [node.serviceId, node]));
}

/** What a node runs of a scope. */
export interface Running {
  readonly integrations: number;
  /** The first of them, in order. */
  readonly ids: readonly string[];
}

/** Integrations of a node that are named. */
const NAMED = 1000;

/** What of a scope each node that runs says that it runs, by its name. */
export async function integrationsByNode(
  queries: Queries,
  scope?: ScopeSelection,
): Promise<ReadonlyMap<string, Running>> {
  const values: unknown[] = [NAMED];
  const isScoped = inScope('s.integration_id', scope, (value) => `$${values.push(value)}`);
  const said = `select distinct integration_id from executor_states s
    where s.service_id = n.service_id and state <> 0 and coalesce(node_start_time, time) >= n.start_time
      and ${isScoped}`;
  // In one text each: thousands of values take much longer.
  const rows = await queries.query<{ service_id: string; integrations: string; ids: string | null }>(
    `select service_id, (select count(*) from (${said}) as s) as integrations,
       (select string_agg(integration_id::text, ' ' order by integration_id)
        from (${said} order by integration_id limit $1) as s) as ids
     from nodes n where ${IS_LIVING}`,
    values,
  );
  return new Map(
    rows.map(({ service_id, integrations, ids }) => [
      service_id,
      { integrations: Number(integrations), ids: ids?.split(' ') ?? [] },
    ]),
  );
}

/** Forgets nodes that were silent for `ttl` milliseconds while others were heard, and what they ran. Answers how many. */
export async function forgetNodes(queries: Queries, ttl: number): Promise<number> {
  const rows = await queries.query(
    `with gone as (delete from nodes where last_seen < ${HEARD} - $1 * interval '1 millisecond' returning service_id),
       their_states as (delete from executor_states where service_id in (select service_id from gone)),
       their_filters as (delete from ingress_filters where service_id in (select service_id from gone))
     select service_id from gone`,
    [ttl],
  );
  return rows.length;
}

/** Forgets the figures of nodes that are forgotten, but for the last delivery of each integration. */
export async function forgetStatistics(queries: Queries): Promise<void> {
  await queries.query(
    `delete from executor_statistics s where not exists (select from nodes where service_id = s.service_id)
       and (last_delivered_time is null or exists (select from executor_statistics o
         where o.integration_id = s.integration_id and (o.last_delivered_time, o.service_id, o.shard)
           > (s.last_delivered_time, s.service_id, s.shard)))`,
  );
}
