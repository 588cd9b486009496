import type { Replay } from '../../../gen/penstock/v1/replay_service_pb.ts';
import { notFound } from '../../rpc/error.ts';
import { areInScope, type Scoped } from '../access/scope.ts';
import type { Queries } from '../store/database.ts';
import { findReplay } from '../store/replays.ts';

/**
 * A replay whose source and target the caller may know of. With `lock`, they stay so until the transaction ends.
 * @throws RpcError NOT_FOUND, the same for one that is not there
 */
export async function findReplayInScope(
  queries: Queries,
  caller: Scoped,
  id: string,
  lock = false,
): Promise<Replay> {
  const replay = await findReplay(queries, id);
  if (replay && (await isReplayInScope(queries, caller, replay, lock))) return replay;
  throw notFound(`replay ${id}`);
}

/** Whether the caller may know of its source and its target. */
export function isReplayInScope(
  queries: Queries,
  caller: Scoped,
  replay: Replay,
  lock = false,
): Promise<boolean> {
  return areInScope(queries, caller, [replay.integrationId, replay.targetIntegrationId], lock);
}
