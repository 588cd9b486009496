import { create, equals, type MessageInitShape } from '@bufbuild/protobuf';
import { Code } from '../../../gen/google/rpc/code_pb.ts';
import { SealedSecretSchema } from '../../../gen/penstock/v1/downlink_pb.ts';
import { IntegrationSchema } from '../../../gen/penstock/v1/integration_pb.ts';
import type {
  UpdateIntegrationRequest,
  UpdateIntegrationResponseSchema,
} from '../../../gen/penstock/v1/integration_service_pb.ts';
import { applyUpdate } from '../../contract/apply-update.ts';
import { changedSecrets } from '../../contract/secrets.ts';
import { violationsOf } from '../../contract/validate.ts';
import { failed, invalidArgument } from '../../rpc/error.ts';
import type { CallContext } from '../../rpc/service.ts';
import { findInScope, requireStaysInScope } from '../access/scope.ts';
import { trailOf } from '../audit/audit-trail.ts';
import { loadAnswer } from '../integrations/answer.ts';
import { validate } from '../integrations/checks.ts';
import {
  requireEtag,
  requireKnownType,
  requireSameType,
  requireValid,
  requireWithinLimits,
  unknownIntegration,
} from '../integrations/guards.ts';
import { nextRevision } from '../integrations/revision.ts';
import { saveWithTopic } from '../integrations/save-change.ts';
import { openedOf, sealedAs } from '../integrations/sealing.ts';
import type { StoredIntegration } from '../store/integrations.ts';
import type { RouteDeps } from './deps.ts';

/** How often a change is made again because another one came in between. */
const MAX_ATTEMPTS = 5;

export async function updateIntegration(
  deps: RouteDeps,
  request: UpdateIntegrationRequest,
  call: CallContext,
): Promise<MessageInitShape<typeof UpdateIntegrationResponseSchema>> {
  const { db } = deps;
  const id = requireId(request);
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const stored = await findInScope(db, call.caller, id);
    const { next, isChanged, secrets } = merge(stored, request, deps);
    requireStaysInScope(call.caller, next.integration);
    trailOf(call.caller)?.secretsChanged(secrets);
    await validate(deps, next, call);
    if (request.validateOnly) return { integration: await loadAnswer(db, next) };
    // What was merged and agreed to is saved only if nothing changed meanwhile; else once more, from what is there now.
    const saved = await saveWithTopic(deps, id, call, (locked) =>
      isChanged && isSame(locked, stored) ? next : locked,
    );
    if (!saved) throw unknownIntegration(id);
    const { stored: now, awaitsIngress } = saved;
    if (now.integration.etag === next.integration.etag) {
      return { integration: await loadAnswer(db, now), awaitsIngress };
    }
  }
  throw failed(Code.ABORTED, 'CONCURRENT_CHANGES', `integration ${id} changes all the time: try again`);
}

/** Also sealed alike: otherwise what was merged would bring a key back that a rotation has done away with. */
function isSame(locked: StoredIntegration, stored: StoredIntegration): boolean {
  const isSealedAlike =
    locked.sealed.length === stored.sealed.length &&
    locked.sealed.every((one, i) => equals(SealedSecretSchema, one, stored.sealed[i]!));
  return isSealedAlike && locked.integration.etag === stored.integration.etag;
}

/** @throws RpcError when the change is not possible */
function merge(
  stored: StoredIntegration,
  request: UpdateIntegrationRequest,
  { clock, limits, secretKeys }: RouteDeps,
): {
  readonly next: StoredIntegration;
  readonly isChanged: boolean;
  /** The paths of those that get another value. */
  readonly secrets: readonly string[];
} {
  const changes = request.integration!;
  requireKnownType(stored);
  const keys = secretKeys();
  const { opened, kept } = openedOf(stored, keys);
  const before = opened.integration;
  const { integration, violations } = applyUpdate(before, changes, request.updateMask?.paths ?? []);
  if (violations.length > 0) throw invalidArgument(violations);
  requireValid(integration);
  requireWithinLimits(integration, limits, before);
  requireSameType(before, integration);
  const next = nextRevision(opened, integration, clock.now());
  const isChanged = next !== opened;
  // Who asks again for what is done already, since the answer got lost, has the etag of before.
  if (isChanged) requireEtag(before, changes.etag);
  const secrets = changedSecrets(IntegrationSchema, before, integration);
  return { next: sealedAs(next, keys, kept), isChanged, secrets };
}

function requireId({ integration }: UpdateIntegrationRequest): string {
  if (!integration?.id) {
    const description = 'is required: the id of the integration to change';
    throw invalidArgument([{ field: 'integration.id', description, reason: 'REQUIRED' }]);
  }
  const idOnly = create(IntegrationSchema, { id: integration.id });
  const violations = violationsOf(IntegrationSchema, idOnly, 'integration').filter(
    ({ field }) => field === 'integration.id',
  );
  if (violations.length > 0) throw invalidArgument(violations);
  return integration.id;
}
