import type { IntegrationState } from '../../../gen/penstock/v1/integration_pb.ts';
import type { Reports } from '../status/status.ts';
import type { Queries } from './database.ts';
import { COLUMNS, type IntegrationRow, type StoredIntegration, toStored } from './integrations.ts';

type Time = string;
type StateRow = [number, string, string, Time, IntegrationState, string, Time, Time | null];
type StatisticsRow = [number, string, Time, string, string | null, Time | null, Time | null];
type Row = IntegrationRow & {
  states: StateRow[] | null;
  statistics: StatisticsRow[] | null;
  dead_letters: string | null;
};

/** Numbers that may be large stand as texts. */
const SQL = `select ${COLUMNS},
    (select json_agg(json_build_array(shard, service_id, generation::text, time, state, reason, since, node_start_time))
     from executor_states where integration_id = integrations.id) as states,
    (select json_agg(json_build_array(shard, service_id, time, lag::text, oldest_age_ms::text, last_delivered_time,
       node_start_time))
     from executor_statistics where integration_id = integrations.id) as statistics,
    (select count from dead_letter_counts where integration_id = integrations.id) as dead_letters
  from integrations where id = any($1)`;

/** An integration and what executors said of it. */
export interface WithReports {
  readonly stored: StoredIntegration;
  readonly reports: Reports;
}

/** Those of them that are there, by their ids, in one question: most calls ask for one integration. */
export async function findWithReports(
  queries: Queries,
  ids: readonly string[],
): Promise<ReadonlyMap<string, WithReports>> {
  const rows = await queries.query<Row>(SQL, [ids]);
  return new Map(rows.map(withReports).map((found) => [found.stored.integration.id, found]));
}

function withReports(row: Row): WithReports {
  const stored = toStored(row);
  const integrationId = stored.integration.id;
  const states = (row.states ?? []).map(
    ([shard, serviceId, generation, time, state, reason, since, nodeStartTime]) => ({
      integrationId,
      shard,
      serviceId,
      generation: BigInt(generation),
      time: new Date(time),
      state,
      reason,
      since: new Date(since),
      nodeStartTime: dateOf(nodeStartTime),
    }),
  );
  const statistics = (row.statistics ?? []).map(
    ([shard, serviceId, time, lag, oldestAgeMs, lastDeliveredTime, nodeStartTime]) => ({
      integrationId,
      shard,
      serviceId,
      time: new Date(time),
      lag: BigInt(lag),
      oldestAgeMs: oldestAgeMs === null ? undefined : Number(oldestAgeMs),
      lastDeliveredTime: dateOf(lastDeliveredTime),
      nodeStartTime: dateOf(nodeStartTime),
    }),
  );
  return { stored, reports: { states, statistics, deadLetters: Number(row.dead_letters ?? 0) } };
}

const dateOf = (time: Time | null): Date | undefined => (time === null ? undefined : new Date(time));
