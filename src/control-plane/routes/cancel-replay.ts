import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type CancelReplayRequest,
  type CancelReplayResponseSchema,
  ReplaySchema,
} from '../../../gen/penstock/v1/replay_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { differences } from '../audit/differences.ts';
import { cancelJob } from '../jobs/cancel-job.ts';
import { toReplay } from '../jobs/shown-jobs.ts';
import type { RouteDeps } from './deps.ts';

export async function cancelReplay(
  deps: RouteDeps,
  { id }: CancelReplayRequest,
  { caller }: CallContext,
): Promise<MessageInitShape<typeof CancelReplayResponseSchema>> {
  const row = await cancelJob(deps, caller, { kind: 'replay', id }, (before, after) =>
    differences(ReplaySchema, toReplay(before), toReplay(after), ['finish_time', 'replayed']),
  );
  return { replay: toReplay(row) };
}
