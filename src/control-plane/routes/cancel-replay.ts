import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type CancelReplayRequest,
  type CancelReplayResponseSchema,
  ReplaySchema,
  ReplayState,
} from '../../../gen/penstock/v1/replay_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { trailOf } from '../audit/audit-trail.ts';
import { differences } from '../audit/differences.ts';
import { findReplayInScope } from '../replays/replay-scope.ts';
import { finishReplay } from '../store/replays.ts';
import type { RouteDeps } from './deps.ts';

/** Of one that has ended it changes nothing. */
export async function cancelReplay(
  { db, clock, wakeReplays }: RouteDeps,
  { id }: CancelReplayRequest,
  { caller }: CallContext,
): Promise<MessageInitShape<typeof CancelReplayResponseSchema>> {
  const replay = await db.transaction(async (queries) => {
    const before = await findReplayInScope(queries, caller, id, true);
    if (before.state !== ReplayState.RUNNING) return before;
    await finishReplay(queries, id, ReplayState.CANCELLED, new Date(clock.now()));
    const after = await findReplayInScope(queries, caller, id);
    const changes = differences(ReplaySchema, before, after, ['finish_time', 'replayed']);
    await trailOf(caller)?.changed(queries, `replays/${id}`, changes);
    return after;
  });
  wakeReplays();
  return { replay };
}
