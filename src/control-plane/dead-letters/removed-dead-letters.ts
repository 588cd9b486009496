import { toBinary } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { FailureClass } from '../../../gen/penstock/v1/envelope_pb.ts';
import { EventKind } from '../../../gen/penstock/v1/event_service_pb.ts';
import { UplinkRecordSchema } from '../../../gen/penstock/v1/uplink_pb.ts';
import type { Bus } from '../../bus/bus.ts';
import { uplinkRecord } from '../../bus/uplink-record.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { deadLettersLock, lookLock } from '../integrations/guards.ts';
import { Periodic, type PeriodicDeps } from '../periodic.ts';
import type { Database } from '../store/database.ts';
import { findIntegration } from '../store/integrations.ts';
import type { Locks } from '../store/locks.ts';
import { keepStart } from '../store/redriven.ts';
import { insertEvents } from '../store/reports.ts';
import { type DeadLetterDeps, deadLetterRanges, type Ranges, withDeadLetters } from './dead-letters.ts';

export interface RemovedDeps {
  readonly db: Database;
  readonly serviceId: string;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

interface SweepDeps extends PeriodicDeps, DeadLetterDeps, RemovedDeps {
  readonly db: Database;
  readonly bus: Pick<Bus, 'listTopics' | 'partitions' | 'offsets' | 'read'>;
  readonly locks: Locks;
  /** How often to look, in milliseconds. */
  readonly cleanupPeriod: number;
}

/** Looks for dead letters that Kafka's retention removed, one integration after the other. */
export function startRemovedSweep(deps: SweepDeps): Periodic {
  return new Periodic(
    {
      name: 'looking for dead letters that retention removed',
      interval: deps.cleanupPeriod,
      work: (signal) => lookForRemoved(deps, signal),
    },
    deps,
  );
}

export async function lookForRemoved(deps: SweepDeps, signal: AbortSignal): Promise<false> {
  const { locks } = deps;
  await using lock = await locks.tryLock('looking for removed dead letters');
  if (!lock) return false; // another node is at it
  for (const id of await withDeadLetters(deps)) {
    signal.throwIfAborted();
    lock.signal.throwIfAborted();
    await using look = await locks.tryLock(lookLock(id));
    await using one = look && (await locks.tryLock(deadLettersLock(id)));
    if (one) await noticeRemoved(deps, id, await deadLetterRanges(deps, id));
  }
  return false;
}

/** Counts, and tells in an event, what is gone since the last look. Nobody else must put back or remove meanwhile. */
export async function noticeRemoved(
  { db, serviceId, clock, metrics }: RemovedDeps,
  integrationId: string,
  ranges: Ranges,
): Promise<void> {
  const lost = await db.transaction(async (queries) => {
    const stored = await findIntegration(queries, integrationId, true);
    if (!stored) return 0;
    let lost = 0;
    for (const [partition, { start }] of ranges) {
      lost += await keepStart(queries, integrationId, partition, start);
    }
    if (lost === 0) return 0;
    const message = `Kafka's retention removed ${lost} dead letters that were not put back`;
    const value = { failureClass: FailureClass.EXPIRED, message, count: BigInt(lost), givenUp: true };
    const { generation } = stored.integration;
    const report = { case: 'error', value } as const;
    const record = uplinkRecord(serviceId, clock, { integrationId, generation, report });
    const event = {
      id: record.eventId,
      integrationId,
      kind: EventKind.ERROR,
      time: timestampDate(record.time!),
    };
    await insertEvents(queries, [{ ...event, record: toBinary(UplinkRecordSchema, record) }]);
    return lost;
  });
  metrics.deadLettersRemoved.inc(lost);
}
