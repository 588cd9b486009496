import type { Integration } from '../../../gen/penstock/v1/integration_pb.ts';
import {
  type KeyRing,
  openSecrets,
  type SealedIntegration,
  type Unopened,
  unopenedText,
} from '../../contract/sealed-secrets.ts';
import type { FieldViolation } from '../../contract/validate.ts';
import type { Clock } from '../../runtime/clock.ts';
import { resolveReferences, type SecretSources } from './references.ts';

export interface SecretDeps {
  /** The keys, as they are now. */
  secretKeys(): KeyRing;
  readonly secretSources: SecretSources;
  readonly clock: Clock;
}

/** An integration whose secrets can be used. */
export interface Readable {
  /** With its secrets as they were given: some may be references. */
  readonly opened: Integration;
  /** With what they refer to. */
  readonly integration: Integration;
  /** Secrets that cannot be had, by their paths: then it cannot be used. */
  readonly violations: readonly FieldViolation[];
}

/** Opens the secrets of an integration, and fetches what they refer to, until the signal comes. */
export async function readable(
  sealed: SealedIntegration,
  deps: SecretDeps,
  signal: AbortSignal,
): Promise<Readable> {
  const { integration: opened, unopened } = openSecrets(sealed, deps.secretKeys());
  if (unopened.length > 0) return { opened, integration: opened, violations: unopened.map(violationOf) };
  return { opened, ...(await resolveReferences(opened, deps.secretSources, deps.clock, signal)) };
}

/** @throws Error naming all of them, for people */
export function requireReadable({ violations }: Readable): void {
  if (violations.length === 0) return;
  throw new Error(violations.map(({ field, description }) => `${field}: ${description}`).join('; '));
}

const violationOf = (unopened: Unopened): FieldViolation => ({
  field: unopened.secret.path,
  description: unopenedText(unopened),
  reason: 'SECRET_KEY',
});
