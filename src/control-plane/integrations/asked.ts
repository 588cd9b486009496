import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { type Integration, IntegrationSchema } from '../../../gen/penstock/v1/integration_pb.ts';
import type { CheckConnectionRequest } from '../../../gen/penstock/v1/integration_service_pb.ts';
import { missingAfterUpdate } from '../../contract/missing-secrets.ts';
import type { SealedIntegration } from '../../contract/sealed-secrets.ts';
import { movedSecrets } from '../../contract/secret-places.ts';
import { keepSecrets, setSecretPaths } from '../../contract/secrets.ts';
import type { Caller } from '../../rpc/caller.ts';
import { invalidArgument } from '../../rpc/error.ts';
import { findInScope, requireStaysInScope } from '../access/scope.ts';
import type { RouteDeps } from '../routes/deps.ts';
import {
  requireKnownType,
  requireSameType,
  requireSecrets,
  requireValid,
  requireWithinLimits,
} from './guards.ts';
import { type Opened, openedOf, sealedAs } from './sealing.ts';

/** What is asked about: a saved integration, or a configuration; as an executor takes it. */
export function askedAbout(
  deps: RouteDeps,
  target: CheckConnectionRequest['target'],
  caller: Caller,
): Promise<SealedIntegration> {
  return target.case === 'id' ? savedOne(deps, target.value, caller) : draft(deps, target.value!, caller);
}

async function saved({ db, secretKeys }: RouteDeps, id: string, caller: Caller): Promise<Opened> {
  const stored = await findInScope(db, caller, id);
  requireKnownType(stored);
  return openedOf(stored, secretKeys());
}

/** A saved integration, as an executor takes it. */
async function savedOne(deps: RouteDeps, id: string, caller: Caller): Promise<SealedIntegration> {
  const { opened, kept } = await saved(deps, id, caller);
  return sealedAs(opened, deps.secretKeys(), kept);
}

/** The draft as an executor takes it: whole. What does not matter for a connection is filled in. */
async function draft(deps: RouteDeps, given: Integration, caller: Caller): Promise<SealedIntegration> {
  const { id, name, configuration, metadata, delivery, templates } = given;
  const whole = create(IntegrationSchema, {
    id: id || randomUUID(),
    name: name || 'connection check',
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
