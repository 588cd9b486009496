import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type CancelRedriveRequest,
  type CancelRedriveResponseSchema,
  RedriveSchema,
} from '../../../gen/penstock/v1/dead_letter_service_pb.ts';
import type { CallContext } from '../../rpc/service.ts';
import { differences } from '../audit/differences.ts';
import { cancelJob } from '../jobs/cancel-job.ts';
import { toRedrive } from '../jobs/shown-jobs.ts';
import type { RouteDeps } from './deps.ts';

export async function cancelRedrive(
  deps: RouteDeps,
  { id }: CancelRedriveRequest,
  { caller }: CallContext,
): Promise<MessageInitShape<typeof CancelRedriveResponseSchema>> {
  const row = await cancelJob(deps, caller, { kind: 'redrive', id }, (before, after) =>
    differences(RedriveSchema, toRedrive(before), toRedrive(after), ['finish_time', 'redriven', 'total']),
  );
  return { redrive: toRedrive(row) };
}
