import { UplinkRecordSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import type { Bus, Consumer, RecordBatch } from '../bus/bus.ts';
import { decoder } from '../bus/codec.ts';
import { keepingAlive } from '../bus/keeping-alive.ts';
import type { Topics } from '../bus/topics.ts';
import { RpcError } from '../rpc/error.ts';
import { type Backoff, backoffPause } from '../runtime/backoff.ts';
import type { Clock } from '../runtime/clock.ts';
import { type Logger, messageOf } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { foldReports, type Report } from './fold.ts';
import type { Database } from './store/database.ts';
import { storeReports } from './store/reports.ts';

const MAX_WAIT = 500;
/** Reports stored in one transaction. */
const CHUNK = 500;
const RETRY: Backoff = { initial: 200, max: 2000 };

export interface UplinkDeps {
  readonly db: Database;
  readonly bus: Pick<Bus, 'consume'>;
  readonly topics: Topics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly random: () => number;
}

/** Stores what executors report. Starts consuming in the background: joining may have to wait for a dead member. */
export function startUplink(deps: UplinkDeps): AsyncDisposable {
  const { bus, topics, logger } = deps;
  const stop = new AbortController();
  const store = reportStore(deps);
  const ready = Promise.withResolvers<Consumer>();
  const consuming = bus.consume({
    groupId: topics.group('control-plane.uplink'),
    topics: [topics.uplink.name],
    maxWait: MAX_WAIT,
    signal: stop.signal,
    async eachBatch(batch) {
      if (!(await store(batch))) return;
      const last = batch.records.at(-1);
      if (last === undefined) return;
      batch.takenIn(last.offset);
      await commit(await ready.promise, batch, last.offset + 1, logger);
    },
  });
  consuming.then(ready.resolve, (why) => {
    if (!stop.signal.aborted)
      logger.error('cannot consume reports: restart this node', { why: messageOf(why) });
  });
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      const consumer = await consuming.catch(() => undefined);
      await consumer?.[Symbol.asyncDispose]();
    },
  };
}

/** A commit that fails costs a repetition at most: what is stored already is recognised by its event id. */
async function commit(consumer: Consumer, { topic, partition }: RecordBatch, offset: number, logger: Logger) {
  await consumer.commit([{ topic, partition, offset }]).catch((error) => {
    logger.debug('the position on the reports was not committed', { partition, why: messageOf(error) });
  });
}

/** Stores the reports of a batch, however long PostgreSQL takes. Answers false when the consumer stopped before. */
export function reportStore(deps: UplinkDeps): (batch: RecordBatch) => Promise<boolean> {
  const decode = decoder(UplinkRecordSchema, deps);
  return async (batch) => {
    const reports = batch.records.flatMap((record): Report[] => {
      const report = decode(record);
      return report && record.value ? [{ record: report, bytes: record.value, offset: record.offset }] : [];
    });
    for (let start = 0; start < reports.length; start += CHUNK) {
      if (!(await storeUntilDone(deps, reports.slice(start, start + CHUNK), batch))) return false;
    }
    return true;
  };
}

async function storeUntilDone(
  deps: UplinkDeps,
  reports: readonly Report[],
  batch: RecordBatch,
): Promise<boolean> {
  const { clock, logger, random } = deps;
  for (let attempt = 1; batch.isRunning(); attempt++) {
    try {
      await keepingAlive(batch, clock, storeOrStepOver(deps, reports, batch.endOffset));
      if (attempt > 1) logger.info('reports are stored again');
      return true;
    } catch (error) {
      if (!isUnavailable(error)) throw error; // the group rebalances
      if (attempt === 1) logger.warn('reports wait for PostgreSQL', { why: messageOf(error) });
    }
    await keepingAlive(batch, clock, clock.sleep(backoffPause(RETRY, attempt, random())));
  }
  return false;
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
