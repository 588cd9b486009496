import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  ListReplaysRequest,
  ListReplaysResponseSchema,
} from '../../../gen/penstock/v1/replay_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { jobList } from '../jobs/job-list.ts';
import { toReplay } from '../jobs/shown-jobs.ts';
import type { RouteDeps } from './deps.ts';

export async function listReplaysRoute(
  { db }: RouteDeps,
  request: ListReplaysRequest,
  { caller }: CallContext,
): Promise<MessageInitShape<typeof ListReplaysResponseSchema>> {
  const { rows, nextPageToken } = await jobList(db, caller, 'replay', request);
  return { replays: rows.map(toReplay), nextPageToken };
}
