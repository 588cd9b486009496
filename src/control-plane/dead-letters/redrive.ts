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
  type Ranges,
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

/** Dead letters of one partition that Kafka has on the message topic again. */
export interface PutBack {
  readonly partition: number;
  /** In their order. */
  readonly offsets: readonly number[];
  readonly time: Date;
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
  const options = { integrationId, filter, maxRate, ranges };
  await countDeadLetters(deps, options, signal, (count) => {
    progress.total += count;
  });
  await putBack(deps, options, signal, async ({ partition, offsets, time }) => {
    await markRedriven(deps.db, integrationId, partition, offsets, time);
    progress.redriven += offsets.length;
    return true;
  });
}

/** How many pass. @param counted is told what was found so far, part by part */
export async function countDeadLetters(
  deps: DeadLetterDeps,
  { integrationId, filter, ranges }: Omit<RangedRedrive, 'maxRate'>,
  signal: AbortSignal,
  counted: (more: number) => void = () => {},
): Promise<number> {
  let count = 0;
  await findDeadLetters(deps, integrationId, { filter, ranges }, signal, async (found) => {
    count += found.length;
    counted(found.length);
  });
  return count;
}

/** What of a topic is put back. */
export interface RangedRedrive extends RedriveOptions {
  readonly ranges: Ranges;
}

/**
 * Puts back what passes of the ranges.
 * @param note keeps that Kafka has some of them; false: another node goes on with it. It is tried again for a while where
 *   PostgreSQL does not answer
 */
export async function putBack(
  deps: RedriveDeps,
  { integrationId, filter, maxRate, ranges }: RangedRedrive,
  signal: AbortSignal,
  note: (put: PutBack) => Promise<boolean>,
): Promise<void> {
  const rate = rateOf(maxRate);
  const pace = new Pace(rate, deps.clock);
  await findDeadLetters(deps, integrationId, { filter, ranges }, signal, async (found) => {
    for (const chunk of chunksOf(found, rate)) {
      await pace.wait(chunk.length, signal);
      await putBackChunk(deps, integrationId, chunk, note);
    }
  });
}

async function putBackChunk(
  deps: RedriveDeps,
  integrationId: string,
  chunk: readonly FoundDeadLetter[],
  note: (put: PutBack) => Promise<boolean>,
): Promise<void> {
  const { bus, topics, clock } = deps;
  const records = chunk.map(({ record, deadLetter }) => ({ key: record.key, value: deadLetter.envelope }));
  const { sent, failure } = await sendInOrder(bus, topics.messages(integrationId).name, records);
  const offsets = chunk.slice(0, sent).map(({ record }) => record.offset);
  const { partition } = chunk[0]!.record;
  const patience = {
    name: 'PostgreSQL, to mark dead letters as redriven',
    time: MARK_PATIENCE,
    isHopeless: (error: unknown) => hasState(error, FOREIGN_KEY_VIOLATION),
  };
  const put = { partition, offsets, time: new Date(clock.now()) };
  try {
    const isOurs = sent === 0 || (await patiently(patience, deps, () => note(put)));
    if (!isOurs) throw new Error('another node has taken the redrive over');
  } catch (error) {
    throw patience.isHopeless(error) ? unknownIntegration(integrationId) : error;
  }
  if (failure !== undefined) throw failure;
}
