import { type Timestamp, timestampMs } from '@bufbuild/protobuf/wkt';
import { FailureClass, FailureClassSchema } from '../../../gen/penstock/v1/envelope_pb.ts';
import type { StatisticsReport } from '../../../gen/penstock/v1/uplink_pb.ts';
import { LATENCY_BUCKETS } from '../../runtime/latency.ts';

/** What is counted of messages, in the order in which it is stored. */
export const RESULTS = [
  'received',
  'delivered',
  'deadLettered',
  'skipped',
  'released',
  'undecodable',
  'retentionLost',
] as const;

/** Then come deliveries by how long they took, and failed attempts by the number of their class. */
const LATENCY = RESULTS.length;
const FAILURES = LATENCY + LATENCY_BUCKETS;
/** Classes that a newer version may have are stored, too. */
const MAX_CLASS = 63;

export const latencyOf = <T>(counters: readonly T[]): T[] => counters.slice(LATENCY, FAILURES);
export const failuresOf = <T>(counters: readonly T[]): T[] => counters.slice(FAILURES);

/** How many there are of those that this version knows. */
export const KNOWN_COUNTERS =
  FAILURES + Math.max(...FailureClassSchema.values.map(({ number }) => number)) + 1;

/** Counters as they are stored: without zeros at the end. */
export type Counters = readonly number[];

/** Counters since a counting began, of one shard on one executor. */
export interface Counted {
  /** Names the counting. */
  readonly run: string;
  readonly counters: Counters;
}

/** What a row said before; of an older version it had no counters. */
export interface CountedBefore {
  readonly run: string | null;
  readonly counters: Counters | null;
  /** When the executor was started. */
  readonly nodeStart: string | null;
}

const START = '@';
const MAX_COUNT = 2n ** 50n;

/** What a report counts. */
export function countedIn(report: StatisticsReport, nodeStartTime: Timestamp | undefined): Counted {
  const counters: number[] = new Array(FAILURES).fill(0);
  // What was let go comes again elsewhere: without it the count would not only grow.
  const all = { ...report, received: report.received + report.released };
  for (const [i, result] of RESULTS.entries()) counters[i] = numberOf(all[result]);
  for (const [i, count] of report.latencyCounts.slice(0, LATENCY_BUCKETS).entries())
    counters[LATENCY + i] = numberOf(count);
  for (const { failureClass, count } of report.failures) {
    const known = failureClass >= 0 && failureClass <= MAX_CLASS ? failureClass : FailureClass.UNSPECIFIED;
    counters[FAILURES + known] = (counters[FAILURES + known] ?? 0) + numberOf(count);
  }
  const node = nodeStartTime ? timestampMs(nodeStartTime) : '';
  const run = report.startTime ? `${node}${START}${timestampMs(report.startTime)}` : `${node}`;
  return { run, counters: trimmed(Array.from(counters, (count) => count ?? 0)) };
}

/** Nobody counts so far; what says so must not keep others from being stored. */
const numberOf = (count: bigint) => Number(count < MAX_COUNT ? count : MAX_COUNT);

/** Whether it is told when the counting began: then it does not begin anew by itself. */
const isTold = (run: string) => run.includes(START);

/**
 * What was counted since the report before, whole when another counting has begun. Nothing where a report comes again, or late.
 */
export function countedSince(before: Counted, now: Counted): Counters {
  if (before.run !== now.run) return now.counters;
  const { counters } = before;
  // Without a told beginning: of an older version, which takes what it let go from `received`.
  const isSmaller = counters.some((count, i) => i > 0 && (now.counters[i] ?? 0) < count);
  if (isSmaller && !isTold(now.run)) return now.counters;
  return trimmed(now.counters.map((count, i) => Math.max(0, count - (counters[i] ?? 0))));
}

export const countedBefore = ({ run, counters }: CountedBefore): Counted | undefined =>
  run === null || counters === null ? undefined : { run, counters };

/** What was counted since the row was stored that was there before. */
export function countedSinceRow(
  before: CountedBefore | undefined,
  now: Counted,
  nodeStartTime: Date | undefined,
): Counters {
  if (!before) return now.counters;
  const counted = countedBefore(before);
  if (counted) return countedSince(counted, now);
  const { nodeStart } = before;
  // It was stored by an older version: what was counted until now, for hours perhaps, is not of this minute.
  const isSameNode = (nodeStart === null ? undefined : Date.parse(nodeStart)) === nodeStartTime?.getTime();
  return isSameNode ? [] : now.counters;
}

/** What the next report is compared with after these two. */
export function afterBoth(before: Counted, now: Counted): Counted {
  if (before.run !== now.run || !isTold(now.run)) return now;
  return { run: now.run, counters: elementwise(before.counters, now.counters, Math.max) };
}

export const added = (a: Counters, b: Counters): Counters => elementwise(a, b, (x, y) => x + y);

function elementwise(a: Counters, b: Counters, of: (x: number, y: number) => number): number[] {
  return Array.from({ length: Math.max(a.length, b.length) }, (_, i) => of(a[i] ?? 0, b[i] ?? 0));
}

function trimmed(counters: readonly number[]): Counters {
  return counters.slice(0, counters.findLastIndex((count) => count !== 0) + 1);
}
