import { clone, ScalarType } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { type Integration, IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import type { FieldViolation } from './validate.ts';

/** What the operator allows integrations of what is the node's, by the names of the settings. */
export interface Limits {
  readonly PENSTOCK_LIMIT_IN_FLIGHT: number;
  readonly PENSTOCK_LIMIT_CONNECTIONS: number;
  readonly PENSTOCK_LIMIT_BATCH_BYTES: number;
  readonly PENSTOCK_LIMIT_BUFFER_BYTES: number;
  readonly PENSTOCK_LIMIT_HEADERS: number;
  readonly PENSTOCK_LIMIT_EXECUTORS: number;
}

type Limit = keyof Limits;

/** Which limit holds for a field: for its number, or for how many items it has. */
export const LIMITED: Readonly<Record<string, Limit>> = {
  'delivery.max_in_flight': 'PENSTOCK_LIMIT_IN_FLIGHT',
  'http.max_parallel_requests_count': 'PENSTOCK_LIMIT_IN_FLIGHT',
  'http.batching.max_messages': 'PENSTOCK_LIMIT_IN_FLIGHT',
  'mqtt.max_in_flight': 'PENSTOCK_LIMIT_IN_FLIGHT',
  'http.max_connections': 'PENSTOCK_LIMIT_CONNECTIONS',
  'mqtt.pool_size': 'PENSTOCK_LIMIT_CONNECTIONS',
  'mqtt.static_client_ids': 'PENSTOCK_LIMIT_CONNECTIONS',
  'http.batching.max_bytes': 'PENSTOCK_LIMIT_BATCH_BYTES',
  'kafka.batch_size_bytes': 'PENSTOCK_LIMIT_BATCH_BYTES',
  'kafka.other_properties["batch.size"]': 'PENSTOCK_LIMIT_BATCH_BYTES',
  'http.max_in_memory_buffer_size_bytes': 'PENSTOCK_LIMIT_BUFFER_BYTES',
  'kafka.buffer_memory_bytes': 'PENSTOCK_LIMIT_BUFFER_BYTES',
  'kafka.other_properties["buffer.memory"]': 'PENSTOCK_LIMIT_BUFFER_BYTES',
  'kafka.other_properties["max.request.size"]': 'PENSTOCK_LIMIT_BUFFER_BYTES',
  'http.headers': 'PENSTOCK_LIMIT_HEADERS',
  'http.secret_headers': 'PENSTOCK_LIMIT_HEADERS',
  'kafka.kafka_headers': 'PENSTOCK_LIMIT_HEADERS',
  metadata: 'PENSTOCK_LIMIT_HEADERS',
  'delivery.max_executors': 'PENSTOCK_LIMIT_EXECUTORS',
};

/** An executor that took less than it is told would leave partitions unread; without an item nothing is as it was meant. */
const ONLY_AT_THE_API: ReadonlySet<string> = new Set([
  'delivery.max_executors',
  'mqtt.static_client_ids',
  'http.headers',
  'http.secret_headers',
  'kafka.kafka_headers',
  'metadata',
]);

/**
 * What is beyond a limit, with the paths of a request that holds the integration. What is `stored` already may stay: a limit
 * that was lowered afterwards keeps nobody from changing something else.
 */
export function beyondLimits(
  integration: Integration,
  limits: Limits,
  stored?: Integration,
): readonly FieldViolation[] {
  return Object.entries(LIMITED).flatMap(([path, limit]) => {
    const number = numberAt(reflect(IntegrationSchema, integration), namesOf(path));
    const before = stored && numberAt(reflect(IntegrationSchema, stored), namesOf(path));
    if (number <= limits[limit] || number === before) return [];
    const description = `must be at most ${limits[limit]}, which the operator allows (${limit}), not ${number}`;
    return [{ field: `integration.${path}`, description, reason: 'OPERATOR_LIMIT' }];
  });
}

/** The integration with numbers within the limits; which of them were beyond, for people. */
export function withinLimits(
  integration: Integration,
  limits: Limits,
): { readonly integration: Integration; readonly lowered: readonly string[] } {
  const copy = clone(IntegrationSchema, integration);
  const message = reflect(IntegrationSchema, copy);
  const lowered = Object.entries(LIMITED).flatMap(([path, limit]) => {
    const number = numberAt(message, namesOf(path));
    if (ONLY_AT_THE_API.has(path) || number <= limits[limit]) return [];
    lower(message, namesOf(path), limits[limit]);
    return [`${path} is ${number}, of which ${limits[limit]} are allowed here (${limit})`];
  });
  return { integration: lowered.length > 0 ? copy : integration, lowered };
}

/** The names along a path; that of a map's key may have dots. */
const namesOf = (path: string): readonly string[] => path.match(/(?<=\[").*(?="\])|\w+/g) ?? [];

/** The number at the end of a path, or how many items there are; 0 where nothing is set. */
function numberAt(message: ReflectMessage, [name, ...rest]: readonly string[]): number {
  const field = message.fields.find((one) => one.name === name);
  if (field === undefined || !message.isSet(field)) return 0;
  if (field.fieldKind === 'message') return numberAt(message.get(field), rest);
  if (field.fieldKind === 'list') return message.get(field).size;
  if (field.fieldKind !== 'map') return Number(message.get(field));
  const [key] = rest;
  return key === undefined ? message.get(field).size : Number(message.get(field).get(key)) || 0;
}

/** Sets the number at the end of a path that is set. */
function lower(message: ReflectMessage, [name, ...rest]: readonly string[], limit: number): void {
  const field = message.fields.find((one) => one.name === name);
  if (field?.fieldKind === 'message') lower(message.get(field), rest, limit);
  else if (field?.fieldKind === 'map') message.get(field).set(rest[0]!, String(limit));
  else if (field) message.set(field, field.scalar === ScalarType.UINT64 ? BigInt(limit) : limit);
}
