import { create } from '@bufbuild/protobuf';
import { durationFromMs, timestampDate, timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  type ExecutorStatus,
  ExecutorStatusSchema,
  IntegrationState,
  type IntegrationStatus,
  IntegrationStatusSchema,
} from '../../gen/penstock/v1/integration_pb.ts';
import { isKnownType } from '../contract/integration-type.ts';
import { shardsOf } from './downlink.ts';
import type { StoredIntegration } from './store/integrations.ts';

/** What an executor last said of one shard. State UNSPECIFIED: it does not run there any more. */
export interface ShardState {
  readonly integrationId: string;
  readonly shard: number;
  readonly serviceId: string;
  readonly generation: bigint;
  readonly time: Date;
  readonly state: IntegrationState;
  readonly reason: string;
  readonly since: Date;
}

/** The figures an executor last sent of one shard. */
export interface ShardStatistics {
  readonly integrationId: string;
  readonly shard: number;
  readonly serviceId: string;
  readonly time: Date;
  readonly lag: bigint;
  readonly oldestAgeMs: number | undefined;
  readonly lastDeliveredTime: Date | undefined;
}

/** What executors said of one integration. */
export interface Reports {
  readonly states: readonly ShardState[];
  readonly statistics: readonly ShardStatistics[];
}

const WITHOUT_TOPIC = 'disabled for long: it receives nothing until it is enabled again';

const unknownType = (type: string) =>
  `type ${type} is known to newer versions only: upgrade the control plane to see and change it`;

interface Verdict {
  readonly state: IntegrationState;
  readonly reason: string;
  readonly since: Date;
}

/**
 * How an integration is doing. A shard runs on one executor at a time, so the newest report of each shard counts: one
 * that was killed says nothing any more, and what it said last must not stand for ever.
 */
export function statusOf(stored: StoredIntegration, reports: Reports): IntegrationStatus {
  const { integration } = stored;
  const isShard = ({ shard }: { shard: number }) => shard < shardsOf(integration);
  const running = newestByShard(reports.states.filter((one) => isShard(one) && isRunning(one)));
  const figures = newestByShard(reports.statistics.filter(isShard));
  const { state, reason, since } = verdict(stored, running);
  const reasons = [reason, isKnownType(stored.type) ? '' : unknownType(stored.type)];
  const delivered = reports.statistics.flatMap((one) => one.lastDeliveredTime ?? []);
  return create(IntegrationStatusSchema, {
    state,
    reason: reasons.filter((one) => one !== '').join('; '),
    since: timestampFromDate(since),
    generation: integration.generation,
    executors: executorsOf(running, figures),
    ...(figures.length > 0 && { lag: figures.reduce((sum, { lag }) => sum + lag, 0n) }),
    ...(delivered.length > 0 && { lastDeliveredTime: timestampFromDate(latest(delivered)) }),
  });
}

function verdict(stored: StoredIntegration, running: ShardState[]): Verdict {
  const { integration, enabledChangeTime, topicState } = stored;
  if (!integration.enabled) {
    const reason = topicState === 'kept' ? '' : WITHOUT_TOPIC;
    return { state: IntegrationState.DISABLED, reason, since: enabledChangeTime };
  }
  const current = running.filter(({ generation }) => generation === integration.generation);
  const of = (state: IntegrationState) => current.filter((one) => one.state === state);

  const [failed] = of(IntegrationState.FAILED).sort((a, b) => a.since.getTime() - b.since.getTime());
  if (failed) return failed;
  const active = of(IntegrationState.ACTIVE);
  if (active.length > 0) {
    const shards = shardsOf(integration);
    const reason = active.length < shards ? `${active.length} of ${shards} shards run` : '';
    return { state: IntegrationState.ACTIVE, reason, since: latest(active.map(({ since }) => since)) };
  }
  const [pending] = current;
  const since = pending?.since ?? timestampDate(integration.updateTime!);
  const reason = pending?.reason || `waiting for an executor of type ${stored.type}`;
  return { state: IntegrationState.PENDING, reason, since };
}

/** One entry for each executor: of several shards there, the one that is doing worst. */
function executorsOf(running: readonly ShardState[], figures: readonly ShardStatistics[]): ExecutorStatus[] {
  const byService = Map.groupBy(running, ({ serviceId }) => serviceId);
  return [...byService].map(([serviceId, shards]) => {
    const worst = shards.reduce((a, b) => (severity(b) > severity(a) ? b : a));
    const ages = figures.flatMap((one) => (one.serviceId === serviceId ? (one.oldestAgeMs ?? []) : []));
    return create(ExecutorStatusSchema, {
      serviceId,
      state: worst.state,
      reason: worst.reason,
      since: timestampFromDate(worst.since),
      generation: worst.generation,
      ...(ages.length > 0 && { oldestAge: durationFromMs(Math.max(...ages)) }),
    });
  });
}

function newestByShard<R extends { shard: number; time: Date; generation?: bigint }>(
  reports: readonly R[],
): R[] {
  const newest = new Map<number, R>();
  for (const report of reports) {
    const other = newest.get(report.shard);
    if (!other || isNewer(report, other)) newest.set(report.shard, report);
  }
  return [...newest.values()].sort((a, b) => a.shard - b.shard);
}

/** The higher generation wins, within one the later time. */
export function isNewer(
  a: { readonly time: Date; readonly generation?: bigint },
  b: { readonly time: Date; readonly generation?: bigint },
): boolean {
  const [left = 0n, right = 0n] = [a.generation, b.generation];
  return left === right ? a.time > b.time : left > right;
}

const isRunning = ({ state }: ShardState) => state !== IntegrationState.UNSPECIFIED;
const severity = ({ state }: ShardState) =>
  state === IntegrationState.FAILED ? 2 : state === IntegrationState.ACTIVE ? 0 : 1;
const latest = (times: readonly Date[]) => new Date(Math.max(...times.map((time) => time.getTime())));
