import { type Timestamp, timestampMs } from '@bufbuild/protobuf/wkt';
import type {
  OffsetRange as RequestedRange,
  StartReplayRequest,
} from '../../../gen/penstock/v1/replay_service_pb.ts';
import type { Bus, OffsetRange } from '../../bus/bus.ts';
import type { FieldViolation } from '../../contract/validate.ts';
import { invalidArgument } from '../../rpc/error.ts';

type Ranges = ReadonlyMap<number, OffsetRange>;

/** @throws RpcError INVALID_ARGUMENT for what the schema's rules cannot say, before anything is read */
export function requireRange({ startTime, endTime, offsetRanges }: StartReplayRequest): void {
  if (offsetRanges.length > 0 && (startTime || endTime)) {
    const description = 'must be empty when start_time or end_time is set: give times or offsets';
    throw invalidArgument([{ field: 'offset_ranges', description, reason: 'TIMES_AND_OFFSETS' }]);
  }
  if (startTime && endTime && timestampMs(startTime) > timestampMs(endTime)) {
    const description = 'must not be after end_time';
    throw invalidArgument([{ field: 'start_time', description, reason: 'TIME_ORDER' }]);
  }
}

/**
 * What is to be replayed, by the offsets of now: what comes later is not part of it.
 * @throws RpcError INVALID_ARGUMENT for ranges that are not there
 */
export async function replayRanges(
  bus: Pick<Bus, 'offsets' | 'offsetsAt'>,
  topic: string,
  { startTime, endTime, offsetRanges }: StartReplayRequest,
): Promise<Ranges> {
  const there = await bus.offsets(topic);
  if (offsetRanges.length > 0) return requestedRanges(offsetRanges, there);
  const at = async (time: Timestamp | undefined) => time && bus.offsetsAt(topic, timestampMs(time));
  const [starts, ends] = [await at(startTime), await at(endTime)];
  const ranges = new Map<number, OffsetRange>();
  for (const [partition, { start, end }] of there) {
    const range = { start: starts?.get(partition) ?? start, end: Math.min(end, ends?.get(partition) ?? end) };
    if (range.start < range.end) ranges.set(partition, range);
  }
  return ranges;
}

function requestedRanges(requested: readonly RequestedRange[], there: Ranges): Ranges {
  const ranges = new Map<number, OffsetRange>();
  const violations = requested.flatMap((one, index): FieldViolation[] => {
    const { partition } = one;
    const range = { start: Number(one.startOffset), end: Number(one.endOffset) };
    const problem = problemWith(range, there.get(partition));
    const [field, description] = ranges.has(partition)
      ? ['partition', 'must not come twice: give one range for each partition']
      : (problem ?? []);
    ranges.set(partition, range);
    if (!field || !description) return [];
    return [{ field: `offset_ranges[${index}].${field}`, description, reason: 'OFFSET_RANGE' }];
  });
  if (violations.length > 0) throw invalidArgument(violations);
  return ranges;
}

/** The field and what is wrong with it. */
function problemWith(range: OffsetRange, there: OffsetRange | undefined): [string, string] | undefined {
  if (!there) return ['partition', 'is not a partition of the message topic'];
  if (range.start > range.end) return ['start_offset', 'must not be after end_offset'];
  if (range.end > there.end) return ['end_offset', `is beyond the topic, which ends at ${there.end}`];
  if (range.start < there.start)
    return ['start_offset', `is not there any more: the topic begins at ${there.start}`];
  return undefined;
}
