import type { MessageInitShape } from '@bufbuild/protobuf';
import { Role } from '../../../gen/penstock/v1/access_pb.ts';
import type {
  CheckConnectionRequest,
  CheckConnectionResponseSchema,
} from '../../../gen/penstock/v1/integration_service_pb.ts';
import { requireRole } from '../../rpc/authorized.ts';
import { addressKey, callerKey } from '../../rpc/caller-key.ts';
import { invalidArgument } from '../../rpc/error.ts';
import { requireRate } from '../../rpc/require-rate.ts';
import type { CallContext } from '../../rpc/service.ts';
import { askedAbout } from '../integrations/asked.ts';
import * as checks from '../integrations/checks.ts';
import type { RouteDeps } from './deps.ts';

export async function checkConnection(
  deps: RouteDeps,
  { target }: CheckConnectionRequest,
  call: CallContext,
): Promise<MessageInitShape<typeof CheckConnectionResponseSchema>> {
  const { caller } = call;
  if (target.case === 'integration') {
    requireRole(caller, Role.EDITOR, 'CheckConnection of a configuration that is not saved');
  }
  // It tells whether something listens at an address: nobody is to look through a network with it.
  const by = [callerKey(caller), addressKey(caller.address)];
  requireRate(deps.checks, { what: 'connection checks', by }, deps.metrics);
  const isSaved = target.case === 'id';
  const asked = await askedAbout(deps, target, caller);
  const response = await checks.checkConnection(deps, asked, call);
  const violations = checks.violationsIn(response);
  if (violations.length > 0 && !isSaved) throw invalidArgument(violations);
  // The request holds no configuration that paths could point into.
  const texts = violations.map(({ field, description }) => `${field}: ${description}`);
  return {
    reachable: response.reachable && violations.length === 0,
    message: violations.length > 0 ? texts.join('; ') : response.message,
    serviceId: response.serviceId,
    steps: response.steps,
    field: response.violations[0]?.field ?? response.field,
  };
}
