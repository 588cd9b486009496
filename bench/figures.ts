import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Client } from 'pg';
import type { StatisticsService } from '../gen/penstock/v1/statistics_service_pb.ts';
import { sumOfScope } from '../src/control-plane/figures/sum-of-scope.ts';
import { windowOf } from '../src/control-plane/figures/window.ts';
import { ALL } from '../src/control-plane/status/additions.ts';
import type { Database } from '../src/control-plane/store/database.ts';
import { labelTexts } from '../src/control-plane/store/integrations.ts';
import type { RpcClient } from '../src/rpc/grpcjs.ts';

const BUSY = 1000;
const [HOUR, DAY] = [3_600_000, 86_400_000];
/** Deliveries of up to a second, and failures of two classes. */
const COUNTERS = [
  600, 598, 1, 0, 0, 0, 0, 0, 3, 80, 200, 150, 90, 40, 20, 10, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5,
];
/** How long rows are, from when until when ago, in seconds. */
const STORED = [
  { resolution: 60, until: 0, from: 6 * 3600 },
  { resolution: 600, until: 6 * 3600, from: 7 * 86_400 },
  { resolution: 3600, until: 7 * 86_400, from: 30 * 86_400 },
];

/** Stores the history of 1,000 busy integrations past the API, as it is after a month: 1.9 million rows. */
export async function storeFigures(client: Client, ids: readonly string[]): Promise<void> {
  await client.query(
    "insert into executor_spans values ('e0', now() - interval '31 days', now() + interval '1 day', '{1}')",
  );
  for (const { resolution, from, until } of STORED) {
    await client.query(
      `insert into statistics_buckets (integration_id, bucket, resolution, counters, lag, oldest_age_ms, gauge_time)
       select id, to_timestamp(time), $1, $2, 12, 340, to_timestamp(time)
       from generate_series((floor((extract(epoch from now()) - $3) / $1) * $1)::bigint,
           (floor((extract(epoch from now()) - $4) / $1) * $1)::bigint - $1, $1::bigint) as time,
         unnest($5::uuid[]) as id
       on conflict do nothing`, // what this control plane has stored of itself meanwhile
      [resolution, COUNTERS, from, until, [ALL, ...ids.slice(0, BUSY)]],
    );
  }
}

interface Deps {
  readonly statistics: RpcClient<typeof StatisticsService>;
  readonly db: Database;
}

export function callsForFigures({ statistics, db }: Deps, ids: readonly string[]) {
  const query = (age: number, integrationIds: readonly string[]) => {
    const startTime = timestampFromMs(Date.now() - age);
    return () => statistics.queryStatistics({ startTime, integrationIds: [...integrationIds] });
  };
  const scope = { labels: labelTexts({ team: 'energy' }), namePrefix: '' };
  const now = Date.now() / 1000;
  const day = windowOf({ start: now - DAY / 1000, end: now, maxBuckets: 0 }, now, 30 * 86_400);
  const one = ids.slice(0, 1);
  const never = new AbortController().signal;
  return {
    'figures of an integration, 1 h': query(HOUR, one),
    'figures of an integration, 24 h': query(DAY, one),
    'figures of an integration, 7 d': query(7 * DAY, one),
    'figures of an integration, 30 d': query(30 * DAY, one),
    'figures of 10 integrations, 24 h': query(DAY, ids.slice(0, 10)),
    'figures of all, 24 h': query(DAY, []),
    'figures of all, 7 d': query(7 * DAY, []),
    'what the figures of a scope ask, 500 busy, 24 h': () => sumOfScope(db, scope, day, never),
    'figures of now': () => statistics.listFigures({}),
    'figures of now, 1,000 at a time': () => statistics.listFigures({ pageSize: 1000 }),
  };
}
