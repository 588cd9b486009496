import { equals } from '@bufbuild/protobuf';
import { type Integration, IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { PLACED_SECRETS, withoutItems } from './secret-places.ts';
import { secretPaths, setSecretPaths } from './secrets.ts';
import type { FieldViolation } from './validate.ts';

/**
 * The secrets that `set_secrets` of a new integration names and that are not in it: what a read answered has none, and made
 * anew from it the integration would go on without them.
 */
export function missingSecrets(draft: Integration): readonly FieldViolation[] {
  const paths = secretPaths(IntegrationSchema, draft);
  return draft.setSecrets.filter((path) => !paths.get(path)).map(missing);
}

/**
 * Of the secrets that `set_secrets` of a change names, in `listed`, those that neither it nor what is `stored` has. One that
 * is stored may be taken away, with the message around it, also by a request that comes a second time. What only a newer
 * version knows is kept as it is stored.
 */
export function missingAfterUpdate(
  listed: readonly string[],
  next: Integration,
  stored: Integration,
): readonly FieldViolation[] {
  const after = secretPaths(IntegrationSchema, next);
  const before = setSecretPaths(IntegrationSchema, stored);
  const isDone = equals(IntegrationSchema, next, stored);
  const isTakenAway = (path: string) =>
    !after.has(path) && (isDone || before.includes(path) || !PLACED_SECRETS.includes(withoutItems(path)));
  return listed.filter((path) => !after.get(path) && !isTakenAway(path)).map(missing);
}

const missing = (path: string): FieldViolation => ({
  field: `integration.${path}`,
  description:
    'must be given: set_secrets names it, and no answer holds secrets; or take it out of set_secrets',
  reason: 'SECRET_MISSING',
});
