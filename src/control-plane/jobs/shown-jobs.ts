import { create, fromBinary } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  type Redrive,
  RedriveSchema,
  type RedriveState,
  StartRedriveRequestSchema,
} from '../../../gen/penstock/v1/dead_letter_service_pb.ts';
import {
  type Replay,
  ReplaySchema,
  StartReplayRequestSchema,
} from '../../../gen/penstock/v1/replay_service_pb.ts';
import type { JobRow } from '../store/jobs.ts';

/** A replay as callers see it. */
export function toReplay(row: JobRow): Replay {
  const { startTime, endTime, offsetRanges } = fromBinary(StartReplayRequestSchema, row.request);
  return create(ReplaySchema, {
    ...timesOf(row),
    id: row.id,
    integrationId: row.integration_id,
    targetIntegrationId: row.target_integration_id,
    ...(startTime && { startTime }),
    ...(endTime && { endTime }),
    offsetRanges,
    state: row.state,
    reason: row.reason,
    total: BigInt(row.total ?? 0),
    replayed: BigInt(row.replayed),
  });
}

/** A redrive as callers see it. */
export function toRedrive(row: JobRow): Redrive {
  const { filter, maxRate } = fromBinary(StartRedriveRequestSchema, row.request);
  return create(RedriveSchema, {
    ...timesOf(row),
    id: row.id,
    integrationId: row.integration_id,
    ...(filter && { filter }),
    maxRate,
    state: row.state as number as RedriveState, // both are numbered alike
    reason: row.reason,
    ...(row.total !== null && { total: BigInt(row.total) }),
    redriven: BigInt(row.replayed),
  });
}

const timesOf = (row: JobRow) => ({
  createTime: timestampFromDate(row.create_time),
  ...(row.finish_time && { finishTime: timestampFromDate(row.finish_time) }),
});
