import { createHash } from 'node:crypto';
import type { Integration } from '../../gen/penstock/v1/integration_pb.ts';

/**
 * Names what a running delivery depends on: two integrations with the same fingerprint deliver alike, and a change that
 * keeps it needs no restart. Neither the generation nor times, status, description or topic filters count. SHA-256, hex.
 */
export function fingerprint(integration: Integration): string {
  const { name, enabled, metadata, configuration, delivery, templates, restarts } = integration;
  const counted = JSON.stringify(
    { name, enabled, metadata, configuration, delivery, templates, restarts },
    canonical,
  );
  return createHash('sha256').update(counted).digest('hex');
}

/** Writes what JSON cannot, and the keys of each object in one order, whatever order a map was written in. */
function canonical(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
