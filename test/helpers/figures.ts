import type { TestContext } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs, type Timestamp, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { NodeRole } from '../../gen/penstock/v1/cluster_service_pb.ts';
import type { StatisticsSeries } from '../../gen/penstock/v1/statistics_service_pb.ts';
import {
  NodeReportSchema,
  type StatisticsReport,
  type StatisticsReportSchema,
  type UplinkRecord,
} from '../../gen/penstock/v1/uplink_pb.ts';
import { reportStore } from '../../src/control-plane/status/uplink.ts';
import { Database } from '../../src/control-plane/store/database.ts';
import type { controlPlaneForTests } from './control-plane.ts';
import { encodedReport, report } from './reports.ts';

type System = Awaited<ReturnType<typeof controlPlaneForTests>>;
type Figures = MessageInitShape<typeof StatisticsReportSchema>;

/** Stores reports as a control plane does that reads them, whatever their times; each call is a part of one partition. */
export function storingReports(t: TestContext, system: System) {
  const db = new Database(system.postgresUrl, system);
  t.after(() => db[Symbol.asyncDispose]());
  const store = reportStore({ ...system, db, random: Math.random });
  const topic = system.topics.uplink.name;
  /** Every record so far, at its offset. */
  const log: UplinkRecord[] = [];
  const read = (offset: number, end: number) =>
    store({
      topic,
      partition: 7,
      records: log.slice(offset, end).map((record, i) => ({
        topic,
        partition: 7,
        offset: offset + i,
        timestamp: 0,
        key: record.integrationId,
        value: encodedReport(record),
      })),
      endOffset: log.length,
      signal: new AbortController().signal,
    });
  return {
    db,
    log,
    /** Reads a part of them again. */
    read,
    async stores(...records: readonly UplinkRecord[]): Promise<void> {
      const offset = log.length;
      log.push(...records);
      await read(offset, log.length);
    },
  };
}

/** Figures that an executor tells at a time in milliseconds. */
export function toldAt(
  id: string,
  time: number,
  value: Exclude<Figures, StatisticsReport>,
  init: { readonly nodeStartTime?: Timestamp; readonly serviceId?: string; readonly shard?: number } = {},
): UplinkRecord {
  return report(id, {
    time: timestampFromMs(time),
    nodeStartTime: timestampFromMs(1000),
    ...init,
    report: { case: 'statistics', value: { startTime: timestampFromMs(2000), ...value } },
  });
}

/** An executor that is heard from a time on until another, in milliseconds. */
export function heardFrom(from: number, until: number, serviceId = 'e9'): UplinkRecord[] {
  const records: UplinkRecord[] = [];
  for (let time = from; time <= until; time += 10_000) {
    const startTime = timestampFromMs(1000);
    const value = create(NodeReportSchema, { roles: [NodeRole.EXECUTOR], types: [1], startTime });
    records.push(report('', { time: timestampFromMs(time), serviceId, report: { case: 'node', value } }));
  }
  return records;
}

/** Rows of a series, as an operator reads them: minutes since `base` (in milliseconds), then what is wanted. */
export function tableOf(
  series: StatisticsSeries,
  base: number,
  ...columns: readonly (keyof StatisticsSeries)[]
): number[][] {
  return series.startSeconds.map((start, i) => [
    (Number(start) * 1000 - base) / 60_000,
    ...columns.map((column) => Number((series[column] as readonly bigint[])[i])),
  ]);
}

export const seconds = (n: number) => durationFromMs(n * 1000);

/** Latency counts by the number of their bucket. */
export function latencies(counts: Readonly<Record<number, bigint>>): { latencyCounts: bigint[] } {
  const last = Math.max(...Object.keys(counts).map(Number));
  return { latencyCounts: Array.from({ length: last + 1 }, (_, i) => counts[i] ?? 0n) };
}
