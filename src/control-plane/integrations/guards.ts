import { toBinary } from '@bufbuild/protobuf';
import { Code } from '../../../gen/google/rpc/code_pb.ts';
import { type Integration, IntegrationSchema } from '../../../gen/penstock/v1/integration_pb.ts';
import { isKnownType, typeOf } from '../../contract/integration-type.ts';
import { beyondLimits, type Limits } from '../../contract/limits.ts';
import { missingSecrets } from '../../contract/missing-secrets.ts';
import { violationsOf } from '../../contract/validate.ts';
import { failed, invalidArgument, notFound, type RpcError } from '../../rpc/error.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Queries } from '../store/database.ts';
import type { StoredIntegration } from '../store/integrations.ts';
import type { Lock, Locks } from '../store/locks.ts';
import { isRedriven } from '../store/redriven.ts';
import { tooLarge } from './checks.ts';

/** Well below the megabyte that a record on a downlink topic may have. */
const MAX_INTEGRATION_BYTES = 524_288;

export const unknownIntegration = (id: string): RpcError => notFound(`integration ${id}`);

/** @throws RpcError INVALID_ARGUMENT, with the paths of a request that holds it as `integration` */
export function requireValid(integration: Integration): void {
  const violations = violationsOf(IntegrationSchema, integration, 'integration');
  if (violations.length > 0) throw invalidArgument(violations);
  if (toBinary(IntegrationSchema, integration).length > MAX_INTEGRATION_BYTES) throw tooLarge();
}

/** @throws RpcError INVALID_ARGUMENT when it says of secrets that they are set, and does not hold them */
export function requireSecrets(draft: Integration): void {
  const violations = missingSecrets(draft);
  if (violations.length > 0) throw invalidArgument(violations);
}

/** @throws RpcError INVALID_ARGUMENT when it asks for more than the operator allows, and than is stored of it */
export function requireWithinLimits(integration: Integration, limits: Limits, stored?: Integration): void {
  const violations = beyondLimits(integration, limits, stored);
  if (violations.length > 0) throw invalidArgument(violations);
}

/** @throws RpcError ABORTED when an etag is given and is not the current one */
export function requireEtag(current: Integration, etag: string): void {
  if (etag === '' || etag === current.etag) return;
  const text = `integration ${current.id} has changed since it was read: read it again and repeat the change`;
  throw failed(Code.ABORTED, 'ETAG_MISMATCH', text);
}

/** @throws RpcError FAILED_PRECONDITION when only a newer version knows what is in it */
export function requireKnownType({ integration, type }: StoredIntegration): void {
  if (isKnownType(type)) return;
  const text = `integration ${integration.id} is of type ${type}, which newer versions know only: upgrade this control plane`;
  throw failed(Code.FAILED_PRECONDITION, 'UNKNOWN_TYPE', text);
}

/** Everything that follows an integration does so by its type. */
export function requireSameType(before: Integration, after: Integration): void {
  const [stored, wanted] = [typeOf(before), typeOf(after)];
  if (stored === wanted) return;
  const description = `the type cannot change: integration ${before.id} is of type ${stored}; create another one`;
  throw invalidArgument([{ field: `integration.${wanted}`, description, reason: 'TYPE_CHANGED' }]);
}

/** @throws RpcError FAILED_PRECONDITION when the message topic is deleted, or will be in a moment */
export function requireTopic({ integration, topicState }: StoredIntegration): void {
  if (topicState === 'kept') return;
  const text = `integration ${integration.id} is disabled for long and has no message topic any more: enable it first`;
  throw failed(Code.FAILED_PRECONDITION, 'TOPIC_DELETED', text);
}

/** Held while dead letters are put back or removed. */
export const deadLettersLock = (integrationId: string): string => `dead letters of ${integrationId}`;

/** Held, beside the other, by whoever only looks at them for a moment; taken first. */
export const lookLock = (integrationId: string): string => `looking at dead letters of ${integrationId}`;

/** How often a look is waited for, with this pause in milliseconds. */
const LOOKS = 50;
const LOOK_PAUSE = 100;

/**
 * Lets one redrive or purge of an integration run at a time, across nodes.
 * @throws RpcError FAILED_PRECONDITION while another one runs; UNAVAILABLE when a look takes long
 */
export async function lockDeadLetters(
  { locks, clock }: { readonly locks: Pick<Locks, 'tryLock'>; readonly clock: Pick<Clock, 'sleep'> },
  integrationId: string,
): Promise<Lock> {
  const tryLock = () => locks.tryLock(deadLettersLock(integrationId));
  const lock = await tryLock();
  if (lock) return lock;
  for (let looks = 0; looks < LOOKS; looks++) {
    await using look = await locks.tryLock(lookLock(integrationId));
    // While nobody looks, it is another redrive or purge that holds it.
    const again = look && (await tryLock());
    if (again) return again;
    if (look) throw redriveRunning(integrationId);
    await clock.sleep(LOOK_PAUSE);
  }
  const text = `the dead letters of integration ${integrationId} are being looked at: call again`;
  throw failed(Code.UNAVAILABLE, 'DEAD_LETTERS_LOOKED_AT', text);
}

/** The same where no redrive that was started is to go on. */
export async function lockUnredriven(
  deps: Parameters<typeof lockDeadLetters>[0] & { readonly db: Queries },
  integrationId: string,
): Promise<Lock> {
  await using stack = new AsyncDisposableStack();
  const lock = stack.use(await lockDeadLetters(deps, integrationId));
  if (await isRedriven(deps.db, integrationId)) throw redriveRunning(integrationId);
  stack.move();
  return lock;
}

export function redriveRunning(integrationId: string): RpcError {
  const text = `a redrive or a purge of the dead letters of integration ${integrationId} is running: wait for its end, or cancel it`;
  return failed(Code.FAILED_PRECONDITION, 'REDRIVE_RUNNING', text);
}
