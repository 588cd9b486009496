import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  GetRedriveRequest,
  GetRedriveResponseSchema,
} from '../../../gen/penstock/v1/dead_letter_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { findJobInScope } from '../jobs/job-scope.ts';
import { toRedrive } from '../jobs/shown-jobs.ts';
import type { RouteDeps } from './deps.ts';

export async function getRedrive(
  { db }: RouteDeps,
  { id }: GetRedriveRequest,
  { caller }: CallContext,
): Promise<MessageInitShape<typeof GetRedriveResponseSchema>> {
  return { redrive: toRedrive(await findJobInScope(db, caller, 'redrive', id)) };
}
