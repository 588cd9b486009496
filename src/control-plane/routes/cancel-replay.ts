import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type CancelReplayRequest,
  type CancelReplayResponseSchema,
  ReplaySchema,
  ReplayState,
} from '../../../gen/penstock/v1/replay_service_pb.ts';
import { notFound } from '../../rpc/error.ts';
import type { CallContext } from '../../rpc/service.ts';
import { trailOf } from '../audit/audit-trail.ts';
import { differences } from '../audit/differences.ts';
import { findReplay, finishReplay } from '../store/replays.ts';
import type { RouteDeps } from './deps.ts';

/** Of one that has ended it changes nothing. */
export async function cancelReplay(
  { db, clock, wakeReplays }: RouteDeps,
  { id }: CancelReplayRequest,
  { caller }: CallContext,
): Promise<MessageInitShape<typeof CancelReplayResponseSchema>> {
  await db.transaction(async (queries) => {
    const before = await findReplay(queries, id);
    if (before?.state !== ReplayState.RUNNING) return;
    await finishReplay(queries, id, ReplayState.CANCELLED, new Date(clock.now()));
    const after = await findReplay(queries, id);
    const changes = differences(ReplaySchema, before, after, ['finish_time', 'replayed']);
    await trailOf(caller)?.changed(queries, `replays/${id}`, changes);
  });
  wakeReplays();
  const replay = await findReplay(db, id);
  if (!replay) throw notFound(`replay ${id}`);
  return { replay };
}
