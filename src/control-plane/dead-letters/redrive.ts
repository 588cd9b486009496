import type { DeadLetterFilter } from '../../../gen/penstock/v1/dead_letter_service_pb.ts';
import type { Bus } from '../../bus/bus.ts';
import type { Clock } from '../../runtime/clock.ts';
import { unknownIntegration } from '../integrations/guards.ts';
import { patiently } from '../patiently.ts';
import { chunksOf, Pace, rateOf, sendInOrder } from '../resend.ts';
import { type Database, hasState } from '../store/database.ts';
import { markRedriven } from '../store/redriven.ts';
import {
  type DeadLetterDeps,
  deadLetterRanges,
  type FoundDeadLetter,
  findDeadLetters,
} from './dead-letters.ts';
import { noticeRemoved, type RemovedDeps } from './removed-dead-letters.ts';

/** How long PostgreSQL may be away before what Kafka has is not marked, and so may be put back once more. */
const MARK_PATIENCE = 10_000;
const FOREIGN_KEY_VIOLATION = /^23503/;

export interface RedriveDeps extends DeadLetterDeps, RemovedDeps {
  readonly db: Database;
  readonly bus: Pick<Bus, 'partitions' | 'offsets' | 'read' | 'send'>;
  readonly clock: Clock;
}

export interface RedriveOptions {
  readonly integrationId: string;
  readonly filter?: DeadLetterFilter | undefined;
  readonly maxRate: number;
}

/** How far a redrive is. */
export interface RedriveProgress {
  total: number;
  redriven: number;
}

/**
 * Puts dead letters back on the message topic, the oldest first, each marked once Kafka has it. Those that are written
 * meanwhile are not part of it. Holds to be the only one of its integration.
 */
export async function redrive(
  deps: RedriveDeps,
  { integrationId, filter, maxRate }: RedriveOptions,
  progress: RedriveProgress,
  signal: AbortSignal,
): Promise<void> {
  const ranges = await deadLetterRanges(deps, integrationId);
  await noticeRemoved(deps, integrationId, ranges);
  const selection = { filter, ranges };
  await findDeadLetters(deps, integrationId, selection, signal, async (found) => {
    progress.total += found.length;
  });
  const rate = rateOf(maxRate);
  const pace = new Pace(rate, deps.clock);
  await findDeadLetters(deps, integrationId, selection, signal, async (found) => {
    for (const chunk of chunksOf(found, rate)) {
      await pace.wait(chunk.length, signal);
      progress.redriven += await putBack(deps, integrationId, chunk);
    }
  });
}

async function putBack(
  deps: RedriveDeps,
  integrationId: string,
  chunk: readonly FoundDeadLetter[],
): Promise<number> {
  const { bus, topics, db, clock } = deps;
  const records = chunk.map(({ record, deadLetter }) => ({ key: record.key, value: deadLetter.envelope }));
  const { sent, failure } = await sendInOrder(bus, topics.messages(integrationId).name, records);
  const offsets = chunk.slice(0, sent).map(({ record }) => record.offset);
  const patience = {
    name: 'PostgreSQL, to mark dead letters as redriven',
    time: MARK_PATIENCE,
    isHopeless: (error: unknown) => hasState(error, FOREIGN_KEY_VIOLATION),
  };
  const { partition } = chunk[0]!.record;
  try {
    await patiently(patience, deps, () =>
      markRedriven(db, integrationId, partition, offsets, new Date(clock.now())),
    );
  } catch (error) {
    throw patience.isHopeless(error) ? unknownIntegration(integrationId) : error;
  }
  if (failure !== undefined) throw failure;
  return sent;
}
