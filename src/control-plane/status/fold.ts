import { durationMs, type Timestamp, timestampMs } from '@bufbuild/protobuf/wkt';
import { EventKind } from '../../../gen/penstock/v1/event_service_pb.ts';
import { IntegrationState } from '../../../gen/penstock/v1/integration_pb.ts';
import {
  LifecycleAction,
  type LifecycleReport,
  type NodeReport,
  type UplinkRecord,
} from '../../../gen/penstock/v1/uplink_pb.ts';
import type { Use } from '../../access/grants.ts';
import type { NodeState } from './cluster.ts';
import { type Counted, countedIn } from './counters.ts';
import { type Heard, heardIn } from './heard.ts';
import type { ShardState, ShardStatistics } from './status.ts';

/** A report with the bytes it came in, and where: all reports of one integration are in one partition, in order. */
export interface Report {
  readonly record: UplinkRecord;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export interface EventRow {
  readonly id: string;
  readonly integrationId: string;
  readonly kind: EventKind;
  readonly time: Date;
  /** Its time is when it was read, since its own was still to come: read again, it has another one. */
  readonly wasAhead?: boolean;
  readonly record: Uint8Array;
}

export interface StateRow extends ShardState {
  readonly offset: number;
}

/** One report of figures. */
export interface Sample {
  readonly offset: number;
  readonly time: Date;
  readonly counted: Counted;
  readonly lag: number;
  readonly oldestAgeMs: number | undefined;
}

export interface StatisticsRow extends ShardStatistics {
  readonly offset: number;
  readonly inFlight: number;
  /** The time in which was counted what came since the report before; undefined: not told. */
  readonly intervalMs: number | undefined;
  /** What this report says, and those before it, in their order: each counts for its own time. */
  readonly samples: readonly Sample[];
  /** The event to keep of it, if it is time for one. */
  readonly event: EventRow;
}

/** An ingress that takes messages in by the topic filters of a generation. */
export interface FiltersRow {
  readonly integrationId: string;
  readonly serviceId: string;
  readonly generation: bigint;
}

/** What reports come to: of each shard on each executor the newest state and figures, of each node its newest report. */
export interface Fold {
  readonly events: readonly EventRow[];
  readonly states: readonly StateRow[];
  readonly statistics: readonly StatisticsRow[];
  readonly nodes: readonly NodeState[];
  readonly heard: readonly Heard[];
  readonly tokenUses: readonly Use[];
  readonly filters: readonly FiltersRow[];
}

/**
 * @param reports of one partition, in its order: a clock that is set back does not hide what came later
 * @param now in milliseconds; a report from the future (a clock that is wrong) counts as one of now
 */
export function foldReports(reports: readonly Report[], now: number): Fold {
  const events: EventRow[] = [];
  const states = new Map<string, StateRow>();
  const statistics = new Map<string, StatisticsRow>();
  const nodes = new Map<string, NodeState>();
  const filters = new Map<string, FiltersRow>();
  const tokenUses: Use[] = [];
  for (const report of reports) {
    const { record } = report;
    if (record.report.case === 'node') {
      const node = nodeOf(record, record.report.value);
      nodes.set(node.serviceId, later(node, nodes.get(node.serviceId)));
      tokenUses.push(...usesOf(record.report.value, now));
      continue;
    }
    const key = `${record.integrationId}/${record.shard}/${record.serviceId}`;
    if (record.report.case === 'filters') {
      const { generation } = record;
      if (generation >= (filters.get(key)?.generation ?? 0n))
        filters.set(key, { ...shardOf(record), generation });
      continue;
    }
    const event = eventOf(report, now);
    if (record.report.case === 'statistics') {
      statistics.set(key, statisticsOf(report, event, now, statistics.get(key)));
      continue;
    }
    events.push(event);
    if (record.report.case === 'lifecycle') {
      const state = stateOf(report, record.report.value, event.time);
      if (state.generation >= (states.get(key)?.generation ?? 0n)) states.set(key, state);
    }
  }
  return {
    events,
    states: [...states.values()],
    statistics: [...statistics.values()],
    nodes: [...nodes.values()],
    heard: heardIn(
      reports.map(({ record }) => record),
      now,
    ),
    tokenUses,
    filters: [...filters.values()],
  };
}

function nodeOf({ serviceId, time }: UplinkRecord, report: NodeReport): NodeState {
  return {
    serviceId: clean(serviceId),
    startTime: dateOf(report.startTime!),
    time: dateOf(time!),
    stopping: report.stopping,
    report,
  };
}

const usesOf = ({ tokenUses }: NodeReport, now: number): Use[] =>
  tokenUses.map(({ tokenId, time }) => ({ tokenId, time: pastDate(time, now).getTime() }));

/** The one that a later run of the node made, of one run the one that was made later. */
function later(a: NodeState, b: NodeState | undefined): NodeState {
  if (!b) return a;
  const [runs, times] = [a.startTime.getTime() - b.startTime.getTime(), a.time.getTime() - b.time.getTime()];
  return (runs || times) < 0 ? b : a;
}

function eventOf({ record, bytes }: Report, now: number): EventRow {
  const { eventId } = record;
  return {
    id: eventId,
    integrationId: record.integrationId.toLowerCase(),
    kind: kindOf(record),
    time: pastDate(record.time, now),
    wasAhead: record.time !== undefined && timestampMs(record.time) > now,
    record: bytes,
  };
}

function kindOf({ report }: UplinkRecord): EventKind {
  if (report.case === 'lifecycle') return EventKind.LIFECYCLE;
  if (report.case === 'statistics') return EventKind.STATISTICS;
  return EventKind.ERROR;
}

function stateOf({ record, offset }: Report, report: LifecycleReport, time: Date): StateRow {
  return {
    ...shardOf(record),
    offset,
    generation: record.generation,
    time,
    state: stateIn(report),
    reason: clean(report.reason),
    since: time,
  };
}

function stateIn({ action, state, success }: LifecycleReport): IntegrationState {
  if (action === LifecycleAction.STOPPED) return IntegrationState.UNSPECIFIED;
  if (state !== IntegrationState.UNSPECIFIED) return state;
  return success ? IntegrationState.ACTIVE : IntegrationState.FAILED;
}

function statisticsOf(
  { record, offset }: Report,
  event: EventRow,
  now: number,
  before: StatisticsRow | undefined,
): StatisticsRow {
  if (record.report.case !== 'statistics') throw new Error('not a statistics report');
  const { lag, oldestAge, lastDeliveredTime, inFlight, interval } = record.report.value;
  const { time } = event;
  const oldestAgeMs = oldestAge && durationMs(oldestAge);
  const counted = countedIn(record.report.value, record.nodeStartTime);
  // What is stored counts from before the first of these reports on.
  const isSameRun = before?.samples.at(-1)?.counted.run === counted.run;
  const sinceBefore = isSameRun ? (before?.intervalMs ?? 0) : 0;
  return {
    ...shardOf(record),
    offset,
    time,
    lag,
    oldestAgeMs,
    lastDeliveredTime: lastDeliveredTime && pastDate(lastDeliveredTime, now),
    inFlight: Number(inFlight),
    intervalMs: interval && durationMs(interval) + sinceBefore,
    samples: [...(before?.samples ?? []), { offset, time, counted, lag: Number(lag), oldestAgeMs }],
    event,
  };
}

const shardOf = ({ integrationId, shard, serviceId, nodeStartTime }: UplinkRecord) => ({
  integrationId: integrationId.toLowerCase(),
  shard,
  serviceId: clean(serviceId),
  nodeStartTime: nodeStartTime && dateOf(nodeStartTime),
});

/** PostgreSQL's text holds no NUL. */
const clean = (text: string) => text.replaceAll('\0', '');

/** As the node said it: only ever compared with what the same node says. */
const dateOf = (time: Timestamp) => new Date(Math.max(0, timestampMs(time)));

function pastDate(time: Timestamp | undefined, now: number): Date {
  return new Date(Math.max(0, Math.min(now, time ? timestampMs(time) : now)));
}
