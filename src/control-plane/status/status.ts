import { create } from '@bufbuild/protobuf';
import { durationFromMs, timestampDate, timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  type ExecutorStatus,
  ExecutorStatusSchema,
  type Integration,
  IntegrationSchema,
  IntegrationState,
  type IntegrationStatus,
  IntegrationStatusSchema,
} from '../../../gen/penstock/v1/integration_pb.ts';
import { isKnownType } from '../../contract/integration-type.ts';
import { violationsOf } from '../../contract/validate.ts';
import { shardsOf } from '../outbox/downlink.ts';
import type { StoredIntegration } from '../store/integrations.ts';
import { absence, type Cluster, isOfLivingNode, isServed } from './cluster.ts';

/** What an executor last said of one shard. State UNSPECIFIED: it does not run there any more. */
export interface ShardState {
  readonly integrationId: string;
  readonly shard: number;
  readonly serviceId: string;
  /** When the executor was started that said it. */
  readonly nodeStartTime: Date | undefined;
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
  /** When the executor was started that sent them. */
  readonly nodeStartTime: Date | undefined;
  readonly time: Date;
  readonly lag: bigint;
  readonly oldestAgeMs: number | undefined;
  readonly lastDeliveredTime: Date | undefined;
}

/** What executors said of one integration. */
export interface Reports {
  readonly states: readonly ShardState[];
  readonly statistics: readonly ShardStatistics[];
  /** Dead letters that were not put back. Unset: none. */
  readonly deadLetters?: number;
}

const WITHOUT_TOPIC = 'disabled for long: it receives nothing until it is enabled again';

const unknownType = (type: string) =>
  `type ${type} is known to newer versions only: upgrade the control plane to see and change it`;

interface Verdict {
  readonly state: IntegrationState;
  readonly reason: string;
  readonly since: Date;
}

/** The shards of an integration, by what executors said of them. */
interface Shards {
  readonly running: readonly ShardState[];
  /** Said to run by an executor that is gone, or was started again. */
  readonly orphaned: readonly ShardState[];
  readonly stopped: readonly ShardState[];
}

/**
 * How an integration is doing. A shard runs on one executor at a time, so the newest report of each shard counts: of those
 * that executors made which run now, for one that was killed says nothing any more, and what it said last must not stand
 * for ever.
 */
export function statusOf(stored: StoredIntegration, reports: Reports, cluster: Cluster): IntegrationStatus {
  const { integration } = stored;
  const isShard = ({ shard }: { shard: number }) => shard < shardsOf(integration);
  const shards = shardsIn(reports.states.filter(isShard), cluster);
  const figures = figuresOf(shards.running, reports.statistics, cluster);
  const { state, reason, since } = verdict(stored, shards, cluster);
  const reasons = [reason, isKnownType(stored.type) ? '' : unknownType(stored.type)];
  const delivered = reports.statistics.flatMap((one) => one.lastDeliveredTime ?? []);
  return create(IntegrationStatusSchema, {
    state,
    reason: reasons.filter((one) => one !== '').join('; '),
    since: timestampFromDate(since),
    generation: integration.generation,
    executors: executorsOf(shards.running, figures),
    deadLetters: BigInt(reports.deadLetters ?? 0),
    ...(figures.length > 0 && { lag: figures.reduce((sum, { lag }) => sum + lag, 0n) }),
    ...(delivered.length > 0 && { lastDeliveredTime: timestampFromDate(latest(delivered)) }),
  });
}

/** Those of the shards that run, from the executors that run them. */
function figuresOf(
  running: readonly ShardState[],
  statistics: readonly ShardStatistics[],
  cluster: Cluster,
): ShardStatistics[] {
  return statistics.filter(
    (one) =>
      isOfLivingNode(one, cluster) &&
      running.some(({ shard, serviceId }) => shard === one.shard && serviceId === one.serviceId),
  );
}

/** What of the states of one integration counts. */
function shardsIn(states: readonly ShardState[], cluster: Cluster): Shards {
  const isRunning = ({ state }: ShardState) => state !== IntegrationState.UNSPECIFIED;
  const said = states.filter(isRunning);
  const running = newestByShard(said.filter((one) => isOfLivingNode(one, cluster)));
  const taken = new Set(running.map(({ shard }) => shard));
  return {
    running,
    orphaned: newestByShard(said.filter(({ shard }) => !taken.has(shard))),
    stopped: states.filter((one) => !isRunning(one)),
  };
}

function verdict(stored: StoredIntegration, shards: Shards, cluster: Cluster): Verdict {
  const { integration, enabledChangeTime, topicState } = stored;
  if (!integration.enabled) {
    const reason = topicState === 'kept' ? '' : WITHOUT_TOPIC;
    return { state: IntegrationState.DISABLED, reason, since: enabledChangeTime };
  }
  const current = shards.running.filter(({ generation }) => generation === integration.generation);
  const of = (state: IntegrationState) => current.filter((one) => one.state === state);

  const [failed] = of(IntegrationState.FAILED).sort((a, b) => a.since.getTime() - b.since.getTime());
  if (failed) return failed;
  const active = of(IntegrationState.ACTIVE);
  if (active.length > 0) {
    const all = shardsOf(integration);
    const notices = new Set(active.map((one) => one.reason).filter((reason) => reason !== ''));
    const missing =
      active.length < all ? [`${active.length} of ${all} shards run`, ...absences(shards, cluster)] : [];
    const reasons = [...missing, ...notices];
    const since = latest(active.map((one) => one.since));
    return { state: IntegrationState.ACTIVE, reason: reasons.join('; '), since };
  }
  const [waiting] = current;
  return {
    state: IntegrationState.PENDING,
    reason: waiting?.reason || whyNobody(integration, shards, cluster),
    since: waiting?.since ?? sinceWhenNobody(integration, shards, cluster),
  };
}

const absences = ({ orphaned }: Shards, cluster: Cluster): string[] => [
  ...new Set(orphaned.map(({ serviceId }) => absence(serviceId, cluster).reason)),
];

function whyNobody(integration: Integration, shards: Shards, cluster: Cluster): string {
  const [unknown] = violationsOf(IntegrationSchema, integration);
  const type = integration.configuration.case;
  // It was valid when it was saved, and executors step over what they do not know.
  if (type !== undefined && unknown) return `it uses what only a newer version knows (${unknown.field})`;
  const reasons = absences(shards, cluster);
  if (type === undefined) reasons.push('waiting for an executor: its type is of a newer version');
  else if (!isServed(type, cluster)) reasons.push(`no running executor serves type ${type}: start one`);
  return reasons.join('; ') || `waiting for an executor of type ${type}`;
}

function sinceWhenNobody(integration: Integration, { orphaned, stopped }: Shards, cluster: Cluster): Date {
  return latest([
    timestampDate(integration.updateTime!),
    ...orphaned.flatMap(({ serviceId }) => absence(serviceId, cluster).since ?? []),
    ...stopped.map(({ time }) => time),
  ]);
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

function newestByShard(reports: readonly ShardState[]): ShardState[] {
  const newest = new Map<number, ShardState>();
  for (const report of reports) {
    const other = newest.get(report.shard);
    if (!other || isNewer(report, other)) newest.set(report.shard, report);
  }
  return [...newest.values()].sort((a, b) => a.shard - b.shard);
}

/** The higher generation wins, within one the later time. */
const isNewer = (a: ShardState, b: ShardState) =>
  a.generation === b.generation ? a.time > b.time : a.generation > b.generation;

const severity = ({ state }: ShardState) =>
  state === IntegrationState.FAILED ? 2 : state === IntegrationState.ACTIVE ? 0 : 1;
const latest = (times: readonly Date[]) => new Date(Math.max(...times.map((time) => time.getTime())));
