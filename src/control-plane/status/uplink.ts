import { UplinkRecordSchema } from '../../../gen/penstock/v1/uplink_pb.ts';
import type { Bus } from '../../bus/bus.ts';
import { decoder } from '../../bus/codec.ts';
import { GroupReader, type RecordBatch } from '../../bus/group-reader.ts';
import type { Topics } from '../../bus/topics.ts';
import { RpcError } from '../../rpc/error.ts';
import { type Backoff, backoffPause } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { Database } from '../store/database.ts';
import { storeReports } from '../store/reports.ts';
import { foldReports, type Report } from './fold.ts';

/** Reports stored in one transaction. */
const CHUNK = 500;
const RETRY: Backoff = { initial: 200, max: 2000 };

export interface UplinkDeps {
  readonly db: Database;
  readonly bus: Pick<Bus, 'join' | 'feed'>;
  readonly topics: Topics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly random: () => number;
}

/** Stores what executors report, each report at least once: what is stored already is recognised by its event id. */
export function startUplink(deps: UplinkDeps): AsyncDisposable {
  const { topics } = deps;
  const groupId = topics.group('control-plane.uplink');
  return new GroupReader({ groupId, topics: [topics.uplink.name], eachBatch: reportStore(deps) }, deps);
}

/** Stores the reports of a batch, however long PostgreSQL takes. Rejects when the batch is another member's before. */
export function reportStore(deps: UplinkDeps): (batch: RecordBatch) => Promise<void> {
  const decode = decoder(UplinkRecordSchema, deps);
  return async (batch) => {
    const reports = batch.records.flatMap((record): Report[] => {
      const report = decode(record);
      return report && record.value ? [{ record: report, bytes: record.value, offset: record.offset }] : [];
    });
    for (let start = 0; start < reports.length; start += CHUNK) {
      await storeUntilDone(deps, reports.slice(start, start + CHUNK), batch);
    }
  };
}

async function storeUntilDone(
  deps: UplinkDeps,
  reports: readonly Report[],
  { endOffset, signal }: RecordBatch,
): Promise<void> {
  const { clock, logger, random } = deps;
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      await storeOrStepOver(deps, reports, endOffset);
      if (attempt > 1) logger.info('reports are stored again');
      return;
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      if (attempt === 1) logger.warn('reports wait for PostgreSQL', { why: messageOf(error) });
    }
    await clock.sleep(backoffPause(RETRY, attempt, random()), signal);
  }
}

/** Stores them together; where PostgreSQL refuses one for good, each alone, stepping over the refused. */
async function storeOrStepOver(deps: UplinkDeps, reports: readonly Report[], end: number): Promise<void> {
  const { topics, metrics, logger } = deps;
  try {
    await storeTogether(deps, reports, end);
  } catch (error) {
    if (isUnavailable(error)) throw error;
    if (reports.length > 1) {
      for (const report of reports) await storeOrStepOver(deps, [report], end);
      return;
    }
    metrics.undecodable.inc({ topic: topics.uplink.name });
    logger.error('stepped over a report that PostgreSQL refuses', { why: messageOf(error) });
  }
}

async function storeTogether(
  { db, clock, metrics }: UplinkDeps,
  reports: readonly Report[],
  end: number,
): Promise<void> {
  const fold = foldReports(reports, clock.now());
  const leftOut = await db.transaction((queries) => storeReports(queries, fold, end));
  metrics.suppressed.inc({ kind: 'unknown_integration' }, leftOut.unknown);
  metrics.suppressed.inc({ kind: 'statistics' }, leftOut.statistics);
}

const isUnavailable = (error: unknown) => error instanceof RpcError;
