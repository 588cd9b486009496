import {
  type Integration,
  IntegrationSchema,
  type JsonValue,
  toJson,
} from '../../../../src/client/contract.ts';

/** A field that is set, by its path in the schema. */
export interface ConfiguredValue {
  readonly path: string;
  readonly text: string;
}

/** What is of the server, or shown elsewhere on the page. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'id',
  'name',
  'description',
  'enabled',
  'status',
  'type',
  'create_time',
  'update_time',
  'generation',
  'etag',
  'restarts',
  'set_secrets',
]);

/** What is set of an integration, in the schema's order and names; of a secret, that it is set. */
export function configuredValues(integration: Integration): readonly ConfiguredValue[] {
  const json = toJson(IntegrationSchema, integration, { useProtoFieldName: true });
  const values = Object.entries(json as Record<string, JsonValue>)
    .filter(([name]) => !LEFT_OUT.has(name))
    .flatMap(([name, value]) => leaves(name, value));
  const secrets = integration.setSecrets.map((path) => ({ path, text: 'set, and not shown' }));
  return [...values, ...secrets];
}

function leaves(path: string, value: JsonValue): readonly ConfiguredValue[] {
  if (Array.isArray(value)) {
    const isFlat = value.every((item) => typeof item !== 'object');
    if (isFlat) return [{ path, text: value.join('\n') }];
    return value.flatMap((item, i) => leaves(`${path}[${i}]`, item));
  }
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value);
    if (entries.length === 0) return [{ path, text: 'set' }];
    return entries.flatMap(([name, nested]) => leaves(`${path}.${name}`, nested));
  }
  return [{ path, text: String(value) }];
}
