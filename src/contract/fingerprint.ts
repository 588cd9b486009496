import { createHash } from 'node:crypto';
import type { Integration } from '../../gen/penstock/v1/integration_pb.ts';
import { canonicalJson } from './canonical-json.ts';

/**
 * Names what a running delivery depends on: two integrations with the same fingerprint deliver alike, and a change that
 * keeps it needs no restart. Neither the generation nor times, status, description, labels or topic filters count. SHA-256,
 * hex.
 */
export function fingerprint(integration: Integration): string {
  const { name, enabled, metadata, configuration, delivery, templates, restarts } = integration;
  const counted = canonicalJson({ name, enabled, metadata, configuration, delivery, templates, restarts });
  return createHash('sha256').update(counted).digest('hex');
}
