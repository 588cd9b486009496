import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type CancelReplayRequest,
  type CancelReplayResponseSchema,
  ReplayState,
} from '../../../gen/penstock/v1/replay_service_pb.ts';
import { notFound } from '../../rpc/error.ts';
import { findReplay, finishReplay } from '../store/replays.ts';
import type { RouteDeps } from './deps.ts';

/** Of one that has ended it changes nothing. */
export async function cancelReplay(
  { db, clock, wakeReplays }: RouteDeps,
  { id }: CancelReplayRequest,
): Promise<MessageInitShape<typeof CancelReplayResponseSchema>> {
  await finishReplay(db, id, ReplayState.CANCELLED, new Date(clock.now()));
  wakeReplays();
  const replay = await findReplay(db, id);
  if (!replay) throw notFound(`replay ${id}`);
  return { replay };
}
