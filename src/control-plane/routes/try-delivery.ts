import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Role } from '../../../gen/penstock/v1/access_pb.ts';
import { DeliveryTrialSchema } from '../../../gen/penstock/v1/check_pb.ts';
import { type Envelope, EnvelopeSchema } from '../../../gen/penstock/v1/envelope_pb.ts';
import type {
  TryDeliveryRequest,
  TryDeliveryResponseSchema,
} from '../../../gen/penstock/v1/integration_service_pb.ts';
import { uuidBytes } from '../../contract/uuid.ts';
import { requireRole } from '../../rpc/authorized.ts';
import { addressKey, callerKey } from '../../rpc/caller-key.ts';
import { invalidArgument } from '../../rpc/error.ts';
import { requireRate } from '../../rpc/require-rate.ts';
import type { CallContext } from '../../rpc/service.ts';
import { askedAbout } from '../integrations/asked.ts';
import * as checks from '../integrations/checks.ts';
import type { RouteDeps } from './deps.ts';

export async function tryDelivery(
  deps: RouteDeps,
  { target, envelope }: TryDeliveryRequest,
  call: CallContext,
): Promise<MessageInitShape<typeof TryDeliveryResponseSchema>> {
  const { caller } = call;
  if (target.case === 'integration') {
    requireRole(caller, Role.EDITOR, 'TryDelivery with a configuration that is not saved');
  }
  // Whoever may send anything anywhere is to do so slowly.
  const by = [callerKey(caller), addressKey(caller.address)];
  requireRate(deps.checks, { what: 'connection checks and tried deliveries', by }, deps.metrics);
  const asked = await askedAbout(deps, target, caller);
  const response = await checks.tryDelivery(deps, asked, comingNow(envelope!, deps), call);
  const violations = checks.violationsIn(response);
  if (violations.length > 0 && target.case === 'integration') throw invalidArgument(violations);
  // The request holds no configuration that paths could point into.
  const refused = violations.map(({ field, description }) => `${field}: ${description}`).join('; ');
  const silent = refused || 'the executor does not tell what came of it: upgrade it';
  const { serviceId, trial = create(DeliveryTrialSchema, { reason: silent }) } = response;
  const { delivered, failureClass, reason, sent, answer, duration } = trial;
  return { delivered, failureClass, reason, sent, answer, serviceId, ...(duration && { duration }) };
}

/** The envelope with what an ingress node gives it. */
function comingNow(envelope: Envelope, { clock, serviceId }: RouteDeps): Envelope {
  const { id, receivedTime, node } = envelope;
  return create(EnvelopeSchema, {
    ...envelope,
    id: id.length === 0 ? uuidBytes(crypto.randomUUID()) : id,
    receivedTime: receivedTime ?? timestampFromMs(clock.now()),
    node: node || serviceId,
  });
}
