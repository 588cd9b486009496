import type { DeadLetterFilter } from '../../gen/penstock/v1/dead_letter_service_pb.ts';
import { type DeadLetter, DeadLetterSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import type { Bus, IncomingRecord, OffsetRange } from '../bus/bus.ts';
import { decoder } from '../bus/codec.ts';
import type { Topics } from '../bus/topics.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { deadLetterId, deadLetterTest, narrowedRanges } from './dead-letter-filter.ts';
import type { Queries } from './store/database.ts';
import { redrivenTimes } from './store/redriven.ts';

export interface DeadLetterDeps {
  readonly db: Queries;
  readonly bus: Pick<Bus, 'listTopics' | 'offsets' | 'read'>;
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

type Ranges = ReadonlyMap<number, OffsetRange>;

/** Where the dead letters of an integration are now. The topic is created with the first one. */
export async function deadLetterRanges(
  { bus, topics }: DeadLetterDeps,
  integrationId: string,
): Promise<Ranges> {
  const { name } = topics.deadLetters(integrationId);
  return (await bus.listTopics()).includes(name) ? bus.offsets(name) : new Map();
}

/** Hands out the dead letters that pass the filter, batch by batch, in the order in which they were given up. */
export async function findDeadLetters(
  deps: DeadLetterDeps,
  integrationId: string,
  { filter, ranges }: { readonly filter: DeadLetterFilter | undefined; readonly ranges: Ranges },
  signal: AbortSignal,
  eachBatch: (found: readonly FoundDeadLetter[]) => Promise<void>,
): Promise<void> {
  const decode = decoder(DeadLetterSchema, deps);
  const passes = deadLetterTest(filter);
  await deps.bus.read({
    topic: deps.topics.deadLetters(integrationId).name,
    ranges: narrowedRanges(filter, ranges),
    signal,
    async eachBatch(records) {
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
    },
  });
}
