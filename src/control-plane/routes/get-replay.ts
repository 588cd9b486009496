import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  GetReplayRequest,
  GetReplayResponseSchema,
} from '../../../gen/penstock/v1/replay_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { findReplayInScope } from '../replays/replay-scope.ts';
import type { RouteDeps } from './deps.ts';

export async function getReplay(
  { db }: RouteDeps,
  { id }: GetReplayRequest,
  { caller }: CallContext,
): Promise<MessageInitShape<typeof GetReplayResponseSchema>> {
  return { replay: await findReplayInScope(db, caller, id) };
}
