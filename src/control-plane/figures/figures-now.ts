import type { MessageInitShape } from '@bufbuild/protobuf';
import { type DurationSchema, durationFromMs, timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { IntegrationFiguresSchema } from '../../../gen/penstock/v1/statistics_service_pb.ts';
import { latencyQuantile } from '../../runtime/latency.ts';
import { type Cluster, isOfLivingNode } from '../status/cluster.ts';
import { added, type Counters, countedSinceRow, failuresOf, latencyOf, RESULTS } from '../status/counters.ts';
import type { ShardFigures } from '../store/shard-figures.ts';

/** The interval of an executor that does not tell it and has told nothing before, in milliseconds. */
const USUAL_INTERVAL = 10_000;
/** How long a report may be on its way. */
const ON_ITS_WAY = 2000;

/** What one shard counted in a second, and over what time, in milliseconds. */
interface Rates {
  readonly counters: Counters;
  readonly interval: number;
}

/**
 * Figures of an integration, by what executors told of its shards.
 * @param now in milliseconds
 */
export function figuresNow(
  integrationId: string,
  told: readonly ShardFigures[],
  cluster: Cluster,
  now: number,
): MessageInitShape<typeof IntegrationFiguresSchema> {
  const delivered = newest(told.flatMap(({ lastDeliveredTime }) => lastDeliveredTime ?? []));
  const time = newest(told.map((one) => one.time));
  const times = {
    integrationId,
    ...(time && { time: timestampFromDate(time) }),
    ...(delivered && { lastDeliveredTime: timestampFromDate(delivered) }),
  };
  const shards = newestByShard(told.filter((one) => one.isRunning && isOfLivingNode(one, cluster)));
  if (shards.length === 0) return times;
  const rates = shards.map((one) => ratesOf(one, now));
  const ages = shards.flatMap(({ oldestAgeMs }) => oldestAgeMs ?? []);
  return {
    ...times,
    ...ratesIn(rates),
    interval: durationFromMs(Math.max(...rates.map(({ interval }) => interval))),
    inFlight: BigInt(shards.reduce((sum, { inFlight }) => sum + inFlight, 0)),
    lag: BigInt(shards.reduce((sum, { lag }) => sum + lag, 0)),
    ...(ages.length > 0 && { oldestAge: durationFromMs(Math.max(...ages)) }),
  };
}

/** A shard runs on one executor at a time. */
function newestByShard(told: readonly ShardFigures[]): ShardFigures[] {
  const byShard = new Map<number, ShardFigures>();
  for (const one of told) {
    const other = byShard.get(one.shard);
    if (!other || one.time > other.time) byShard.set(one.shard, one);
  }
  return [...byShard.values()];
}

/** Where nothing is told any more, nothing has changed since. */
function ratesOf({ before, time, intervalMs, nodeStartTime, ...now }: ShardFigures, at: number): Rates {
  const told = intervalMs ?? (before ? time.getTime() - before.time : USUAL_INTERVAL);
  const interval = Math.max(1, told);
  if (at - time.getTime() > 2 * interval + ON_ITS_WAY) return { counters: [], interval };
  const counted = countedSinceRow(before, now, nodeStartTime);
  return { counters: counted.map((count) => (count * 1000) / interval), interval };
}

function ratesIn(rates: readonly Rates[]) {
  const sum = rates.reduce<Counters>((all, { counters }) => added(all, counters), []);
  const rate = (result: (typeof RESULTS)[number]) => sum[RESULTS.indexOf(result)] ?? 0;
  const latencies = latencyOf(sum);
  const quantile = (share: number) => {
    const seconds = latencyQuantile(latencies, share);
    return seconds === undefined ? undefined : durationOf(seconds);
  };
  const [p50, p95, p99] = [quantile(0.5), quantile(0.95), quantile(0.99)];
  return {
    receivedRate: rate('received'),
    deliveredRate: rate('delivered'),
    deadLetteredRate: rate('deadLettered'),
    skippedRate: rate('skipped'),
    failedRate: failuresOf(sum).reduce((all, count) => all + count, 0),
    ...(p50 && { p50 }),
    ...(p95 && { p95 }),
    ...(p99 && { p99 }),
  };
}

/** To the microsecond. By whole numbers: `durationFromMs` makes nanoseconds with a fraction of some, which cannot be sent. */
function durationOf(seconds: number): MessageInitShape<typeof DurationSchema> {
  const micros = Math.round(seconds * 1e6);
  return { seconds: BigInt(Math.floor(micros / 1e6)), nanos: (micros % 1e6) * 1000 };
}

function newest(times: readonly Date[]): Date | undefined {
  return times.length === 0 ? undefined : new Date(Math.max(...times.map((time) => time.getTime())));
}
