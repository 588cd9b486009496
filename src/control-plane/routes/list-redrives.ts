import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  ListRedrivesRequest,
  ListRedrivesResponseSchema,
} from '../../../gen/penstock/v1/dead_letter_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { jobList } from '../jobs/job-list.ts';
import { toRedrive } from '../jobs/shown-jobs.ts';
import type { RouteDeps } from './deps.ts';

export async function listRedrivesRoute(
  { db }: RouteDeps,
  request: ListRedrivesRequest,
  { caller }: CallContext,
): Promise<MessageInitShape<typeof ListRedrivesResponseSchema>> {
  const { rows, nextPageToken } = await jobList(db, caller, 'redrive', request);
  return { redrives: rows.map(toRedrive), nextPageToken };
}
