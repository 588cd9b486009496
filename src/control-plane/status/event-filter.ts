import { type Timestamp, timestampMs } from '@bufbuild/protobuf/wkt';
import type { EventFilter } from '../../../gen/penstock/v1/event_service_pb.ts';
import { invalidArgument } from '../../rpc/error.ts';
import type { EventSelection } from '../store/events.ts';
import type { StoredEvent } from '../store/versions.ts';

/** PostgreSQL's largest time is far beyond the schema's, which is the end of the year 9999. */
const MAX_MS = 253_402_300_799_999;
const MIN_MS = -62_135_596_800_000;

/**
 * @param path of the filter in its request
 * @throws RpcError INVALID_ARGUMENT for times that PostgreSQL does not know
 */
export function eventSelectionOf(filter: EventFilter | undefined, path = 'filter'): EventSelection {
  const { integrationId = '', kinds = [], startTime, endTime } = filter ?? {};
  return {
    ...(integrationId !== '' && { integrationId }),
    ...(kinds.length > 0 && { kinds }),
    ...(startTime && { start: dateOf(startTime, `${path}.start_time`) }),
    ...(endTime && { end: dateOf(endTime, `${path}.end_time`) }),
  };
}

/** Whether the event passes, as PostgreSQL would find it. */
export function isSelectedEvent(
  { integrationId, kind, time }: Pick<StoredEvent, 'integrationId' | 'kind' | 'time'>,
  selection: EventSelection,
): boolean {
  const { kinds, start, end } = selection;
  return (
    (selection.integrationId === undefined || selection.integrationId.toLowerCase() === integrationId) &&
    (kinds === undefined || kinds.includes(kind)) &&
    (start === undefined || time >= start) &&
    (end === undefined || time < end)
  );
}

function dateOf(time: Timestamp, field: string): Date {
  const ms = timestampMs(time);
  if (ms >= MIN_MS && ms <= MAX_MS) return new Date(ms);
  const description = 'must be between the years 1 and 9999';
  throw invalidArgument([{ field, description, reason: 'TIMESTAMP_RANGE' }]);
}
