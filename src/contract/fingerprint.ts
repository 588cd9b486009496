import { createHash } from 'node:crypto';
import { create, type JsonValue, toJson } from '@bufbuild/protobuf';
import { type Integration, IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';

/**
 * Names what a running delivery depends on: two integrations with the same fingerprint deliver alike, and a change that
 * keeps it needs no restart. Neither the generation nor times, status, description or topic filters count. SHA-256, hex.
 */
export function fingerprint(integration: Integration): string {
  const { name, enabled, metadata, configuration, delivery } = integration;
  const counted = create(IntegrationSchema, {
    name,
    enabled,
    metadata,
    configuration,
    ...(delivery && { delivery }),
  });
  return createHash('sha256')
    .update(canonical(toJson(IntegrationSchema, counted)))
    .digest('hex');
}

/** JSON with the keys of each object in one order, whatever order a map was written in. */
function canonical(json: JsonValue): string {
  return JSON.stringify(json, (_, value: JsonValue) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}
