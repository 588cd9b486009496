import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Timestamp, timestampMs } from '@bufbuild/protobuf/wkt';
import type {
  QueryStatisticsRequest,
  QueryStatisticsResponseSchema,
} from '../../../gen/penstock/v1/statistics_service_pb.ts';
import { isKnownType, numberOf } from '../../contract/integration-type.ts';
import type { CallContext } from '../../rpc/service.ts';
import { LATENCY_BOUNDS } from '../../runtime/latency.ts';
import { isInScope, scopeOf } from '../access/scope.ts';
import { type SeriesOf, seriesOf } from '../figures/series.ts';
import { sumOfScope } from '../figures/sum-of-scope.ts';
import { windowOf } from '../figures/window.ts';
import { unknownIntegration } from '../integrations/guards.ts';
import { ALL } from '../status/additions.ts';
import { heardBetween, type TimeSpan } from '../store/executor-spans.ts';
import { findIntegrations, type StoredIntegration } from '../store/integrations.ts';
import { historyOf, lagBefore } from '../store/statistics-history.ts';
import type { RouteDeps } from './deps.ts';

const secondsOf = (time: Timestamp | undefined) => time && timestampMs(time) / 1000;

export async function queryStatistics(
  { db, clock, statisticsTtl }: RouteDeps,
  request: QueryStatisticsRequest,
  { caller, signal }: CallContext,
): Promise<MessageInitShape<typeof QueryStatisticsResponseSchema>> {
  const { startTime, endTime, maxBuckets } = request;
  const times = { start: secondsOf(startTime), end: secondsOf(endTime), maxBuckets };
  const window = windowOf(times, clock.now() / 1000, statisticsTtl / 1000);
  const ids = [...new Set(request.integrationIds.map((id) => id.toLowerCase()))];
  const stored = new Map((await findIntegrations(db, ids, false)).map((one) => [one.integration.id, one]));
  for (const id of ids) {
    const one = stored.get(id);
    if (!one || !isInScope(caller, one.integration)) throw unknownIntegration(id);
  }
  const [start, end] = [new Date(window.start * 1000), new Date(window.end * 1000)];
  const asked = ids.length > 0 ? ids : [ALL];
  const scope = ids.length > 0 ? undefined : scopeOf(caller);
  const found = scope ? await sumOfScope(db, scope, window, signal) : await historyOf(db, asked, window);
  const rows = Map.groupBy(found, ({ integrationId }) => integrationId);
  const heard = await heardBetween(db, start, end);
  const lags = scope ? undefined : await lagBefore(db, asked, start);
  const known = (id: string): SeriesOf => ({
    integrationId: id,
    ...ofOne(stored.get(id), heard),
    lagBefore: lags?.get(id),
  });
  const series = asked.map((id) => seriesOf(known(id), rows.get(id) ?? [], window));
  return { series, latencyBounds: [...LATENCY_BOUNDS] };
}

/** Undefined: of several together, which any executor might have told of. */
function ofOne(
  stored: StoredIntegration | undefined,
  heard: Awaited<ReturnType<typeof heardBetween>>,
): { heard: readonly TimeSpan[]; createTime?: number } {
  if (!stored) return { heard: [...heard.values()].flat() };
  const { type, integration } = stored;
  return {
    heard: isKnownType(type) ? (heard.get(numberOf(type)) ?? []) : [],
    createTime: timestampMs(integration.createTime!) / 1000,
  };
}
