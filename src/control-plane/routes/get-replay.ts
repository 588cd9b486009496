import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  GetReplayRequest,
  GetReplayResponseSchema,
} from '../../../gen/penstock/v1/replay_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { findJobInScope } from '../jobs/job-scope.ts';
import { toReplay } from '../jobs/shown-jobs.ts';
import type { RouteDeps } from './deps.ts';

export async function getReplay(
  { db }: RouteDeps,
  { id }: GetReplayRequest,
  { caller }: CallContext,
): Promise<MessageInitShape<typeof GetReplayResponseSchema>> {
  return { replay: toReplay(await findJobInScope(db, caller, 'replay', id)) };
}
