import { fromBinary } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { DeadLetterFilter } from '../../../gen/penstock/v1/dead_letter_service_pb.ts';
import { type DeadLetter, type Envelope, EnvelopeSchema } from '../../../gen/penstock/v1/envelope_pb.ts';
import type { OffsetRange } from '../../bus/bus.ts';
import { isValid } from '../../contract/validate.ts';
import { invalidArgument } from '../../rpc/error.ts';
import { matches, topicFilterProblem } from '../../topic-filter/topic-filter.ts';

/** Names a dead letter within its integration. */
export const deadLetterId = (partition: number, offset: number): string => `${partition}-${offset}`;

/** @throws RpcError INVALID_ARGUMENT for what the schema's rules cannot say */
export function requireFilter(filter: DeadLetterFilter | undefined): void {
  const { topicFilter = '', startTime, endTime } = filter ?? {};
  const problem = topicFilter === '' ? undefined : topicFilterProblem(topicFilter);
  if (problem !== undefined) {
    throw invalidArgument([{ field: 'filter.topic_filter', description: problem, reason: 'TOPIC_FILTER' }]);
  }
  if (startTime && endTime && timestampMs(startTime) > timestampMs(endTime)) {
    const description = 'must not be after filter.end_time';
    throw invalidArgument([{ field: 'filter.start_time', description, reason: 'TIME_ORDER' }]);
  }
}

/** What of the partitions can pass the filter: of ids no more than from the first to the last of each partition. */
export function narrowedRanges(
  filter: DeadLetterFilter | undefined,
  all: ReadonlyMap<number, OffsetRange>,
): ReadonlyMap<number, OffsetRange> {
  if (!filter || filter.ids.length === 0) return all;
  const wanted = filter.ids.map((id) => id.split('-').map(Number) as [number, number]);
  const byPartition = Map.groupBy(wanted, ([partition]) => partition);
  const narrowed = new Map<number, OffsetRange>();
  for (const [partition, { start, end }] of all) {
    const offsets = (byPartition.get(partition) ?? []).map(([, offset]) => offset);
    const range = {
      start: Math.max(start, Math.min(...offsets)),
      end: Math.min(end, Math.max(...offsets) + 1),
    };
    if (range.start < range.end) narrowed.set(partition, range);
  }
  return narrowed;
}

/** Whether a dead letter passes, but for `include_redriven`. */
export function deadLetterTest(
  filter: DeadLetterFilter | undefined,
): (id: string, deadLetter: DeadLetter) => boolean {
  if (!filter) return () => true;
  const { failureClasses, topicFilter, clientId } = filter;
  const ids = new Set(filter.ids.map((id) => id.replaceAll(/\b0+(?=\d)/g, '')));
  const start = filter.startTime ? timestampMs(filter.startTime) : Number.NEGATIVE_INFINITY;
  const end = filter.endTime ? timestampMs(filter.endTime) : Number.POSITIVE_INFINITY;
  return (id, deadLetter) => {
    if (ids.size > 0 && !ids.has(id)) return false;
    if (failureClasses.length > 0 && !failureClasses.includes(deadLetter.failureClass)) return false;
    const time = deadLetter.lastAttemptTime ? timestampMs(deadLetter.lastAttemptTime) : 0;
    if (time < start || time >= end) return false;
    if (topicFilter === '' && clientId === '') return true;
    const envelope = envelopeIn(deadLetter);
    if (!envelope || (clientId !== '' && envelope.clientId !== clientId)) return false;
    return topicFilter === '' || matches(topicFilter, envelope.topicName);
  };
}

/** The envelope that was given up; undefined when it cannot be decoded. */
export function envelopeIn({ envelope }: DeadLetter): Envelope | undefined {
  try {
    const decoded = fromBinary(EnvelopeSchema, envelope);
    return isValid(EnvelopeSchema, decoded) ? decoded : undefined;
  } catch {
    return undefined;
  }
}
