import { randomUUID } from 'node:crypto';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { Role } from '../../../gen/penstock/v1/access_pb.ts';
import { type Integration, IntegrationSchema } from '../../../gen/penstock/v1/integration_pb.ts';
import type {
  CheckConnectionRequest,
  CheckConnectionResponseSchema,
} from '../../../gen/penstock/v1/integration_service_pb.ts';
import { missingAfterUpdate } from '../../contract/missing-secrets.ts';
import type { SealedIntegration } from '../../contract/sealed-secrets.ts';
import { movedSecrets } from '../../contract/secret-places.ts';
import { keepSecrets, setSecretPaths } from '../../contract/secrets.ts';
import { requireRole } from '../../rpc/authorized.ts';
import type { Caller } from '../../rpc/caller.ts';
import { addressKey, callerKey } from '../../rpc/caller-key.ts';
import { invalidArgument } from '../../rpc/error.ts';
import { requireRate } from '../../rpc/require-rate.ts';
import type { CallContext } from '../../rpc/service.ts';
import { findInScope, requireStaysInScope } from '../access/scope.ts';
import * as checks from '../integrations/checks.ts';
import {
  requireKnownType,
  requireSameType,
  requireSecrets,
  requireValid,
  requireWithinLimits,
} from '../integrations/guards.ts';
import { type Opened, openedOf, sealedAs } from '../integrations/sealing.ts';
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
  const asked = isSaved
    ? await savedOne(deps, target.value, caller)
    : await draft(deps, target.value!, caller);
  const response = await checks.checkConnection(deps, asked, call);
  const violations = checks.violationsIn(response);
  if (violations.length > 0 && !isSaved) throw invalidArgument(violations);
  // The request holds no configuration that paths could point into.
  const texts = violations.map(({ field, description }) => `${field}: ${description}`);
  return {
    reachable: response.reachable && violations.length === 0,
    message: violations.length > 0 ? texts.join('; ') : response.message,
    serviceId: response.serviceId,
  };
}

async function saved({ db, secretKeys }: RouteDeps, id: string, caller: Caller): Promise<Opened> {
  const stored = await findInScope(db, caller, id);
  requireKnownType(stored);
  return openedOf(stored, secretKeys());
}

async function savedOne(deps: RouteDeps, id: string, caller: Caller): Promise<SealedIntegration> {
  const { opened, kept } = await saved(deps, id, caller);
  return sealedAs(opened, deps.secretKeys(), kept);
}

/** The draft as an executor takes it: whole. What does not matter for a connection is filled in. */
async function draft(deps: RouteDeps, given: Integration, caller: Caller): Promise<SealedIntegration> {
  const { id, configuration, metadata, delivery, templates } = given;
  const whole = create(IntegrationSchema, {
    id: id || randomUUID(),
    name: 'connection check',
    topicFilters: ['#'],
    configuration,
    metadata,
    ...(delivery && { delivery }),
    ...(templates && { templates }),
  });
  if (id === '') requireSecrets(given);
  requireValid(whole);
  if (id === '') requireStaysInScope(caller, given);
  const before = id === '' ? undefined : await saved(deps, id, caller);
  const stored = before?.opened.integration;
  requireWithinLimits(whole, deps.limits, stored);
  if (stored === undefined) return sealedAs({ integration: whole, sealed: [] }, deps.secretKeys());
  requireSameType(stored, whole);
  const merged = keepSecrets(IntegrationSchema, whole, stored);
  const violations = [
    ...movedSecrets(merged, stored, setSecretPaths(IntegrationSchema, whole)),
    ...missingAfterUpdate(given.setSecrets, merged, stored),
  ];
  if (violations.length > 0) throw invalidArgument(violations);
  return sealedAs({ integration: merged, sealed: [] }, deps.secretKeys(), before?.kept);
}
