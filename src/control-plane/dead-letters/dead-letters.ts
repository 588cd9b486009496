import type { DeadLetterFilter } from '../../../gen/penstock/v1/dead_letter_service_pb.ts';
import { type DeadLetter, DeadLetterSchema } from '../../../gen/penstock/v1/envelope_pb.ts';
import { type Bus, BusError, type IncomingRecord, type OffsetRange } from '../../bus/bus.ts';
import { decoder } from '../../bus/codec.ts';
import type { Topics } from '../../bus/topics.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { Queries } from '../store/database.ts';
import { redrivenTimes } from '../store/redriven.ts';
import { knownIds } from '../store/topic-deletions.ts';
import { integrationIdsIn } from '../topics/orphan-names.ts';
import { deadLetterId, deadLetterTest, narrowedRanges } from './dead-letter-filter.ts';

export interface DeadLetterDeps {
  readonly db: Queries;
  readonly bus: Pick<Bus, 'partitions' | 'offsets' | 'read'>;
  readonly topics: Topics;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** A dead letter that passes the filter. Its bytes alias the fetch buffer. */
export interface FoundDeadLetter {
  readonly record: IncomingRecord;
  readonly deadLetter: DeadLetter;
  /** When it was last put back, if it was. */
  readonly redrivenTime: Date | undefined;
}

/** Which dead letters: those that pass the filter, of parts of the partitions. */
export interface DeadLetterSelection {
  readonly filter: DeadLetterFilter | undefined;
  readonly ranges: Ranges;
  /** Reading more ends it. */
  readonly maxBytes?: number;
}

/** What was read of a selection. */
export interface ReadDeadLetters {
  /** False: it ended early, because there are more bytes than are to be read. */
  readonly isWhole: boolean;
  readonly records: number;
  readonly bytes: number;
}

export type Ranges = ReadonlyMap<number, OffsetRange>;

/** Where the dead letters of an integration are now. The topic is created with the first one. */
export async function deadLetterRanges(
  { bus, topics }: Pick<DeadLetterDeps, 'topics'> & { readonly bus: Pick<Bus, 'partitions' | 'offsets'> },
  integrationId: string,
): Promise<Ranges> {
  const { name } = topics.deadLetters(integrationId);
  try {
    await bus.partitions(name); // says at once that there is no such topic
    return await bus.offsets(name);
  } catch (error) {
    if (error instanceof BusError && error.reason === 'unknown-topic') return new Map();
    throw error;
  }
}

/** The integrations that have a topic of dead letters. */
export async function withDeadLetters({
  db,
  bus,
  topics,
}: Pick<DeadLetterDeps, 'db' | 'topics'> & { readonly bus: Pick<Bus, 'listTopics'> }): Promise<string[]> {
  const prefix = topics.deadLetters('').name;
  const names = (await bus.listTopics()).filter((name) => name.startsWith(prefix));
  return [...(await knownIds(db, [...integrationIdsIn(topics, names)]))];
}

const tooLarge = Symbol('more bytes than are to be read');

/** Hands out the dead letters that pass the filter, batch by batch, in the order in which they were given up. */
export async function findDeadLetters(
  deps: DeadLetterDeps,
  integrationId: string,
  { filter, ranges, maxBytes = Number.POSITIVE_INFINITY }: DeadLetterSelection,
  signal: AbortSignal,
  eachBatch: (found: readonly FoundDeadLetter[]) => Promise<void>,
): Promise<ReadDeadLetters> {
  const decode = decoder(DeadLetterSchema, deps);
  const passes = deadLetterTest(filter);
  let count = 0;
  let bytes = 0;
  const evaluate = async (records: readonly IncomingRecord[]) => {
    count += records.length;
    bytes += records.reduce((sum, { value }) => sum + (value?.byteLength ?? 0), 0);
    if (bytes > maxBytes) throw tooLarge;
    const candidates = records.flatMap((record) => {
      const deadLetter = decode(record);
      const id = deadLetterId(record.partition, record.offset);
      return deadLetter && passes(id, deadLetter) ? { record, deadLetter } : [];
    });
    if (candidates.length === 0) return;
    const { partition, offset: start } = candidates[0]!.record;
    const range = { start, end: candidates.at(-1)!.record.offset + 1 };
    const times = await redrivenTimes(deps.db, integrationId, partition, range);
    const found = candidates.map((one) => ({ ...one, redrivenTime: times.get(one.record.offset) }));
    await eachBatch(filter?.includeRedriven ? found : found.filter((one) => !one.redrivenTime));
  };
  const topic = deps.topics.deadLetters(integrationId).name;
  try {
    await deps.bus.read({ topic, ranges: narrowedRanges(filter, ranges), signal, eachBatch: evaluate });
    return { isWhole: true, records: count, bytes };
  } catch (error) {
    if (error === tooLarge) return { isWhole: false, records: count, bytes };
    throw error;
  }
}
