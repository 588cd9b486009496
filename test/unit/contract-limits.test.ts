import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DescField, equals, fromJson, type JsonObject, ScalarType, toJson } from '@bufbuild/protobuf';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { beyondLimits, LIMITED, withinLimits } from '../../src/contract/limits.ts';
import { pathsTo } from '../helpers/schema-paths.ts';

const LIMITS = {
  PENSTOCK_LIMIT_IN_FLIGHT: 10,
  PENSTOCK_LIMIT_CONNECTIONS: 2,
  PENSTOCK_LIMIT_BATCH_BYTES: 1000,
  PENSTOCK_LIMIT_BUFFER_BYTES: 100_000,
  PENSTOCK_LIMIT_HEADERS: 1,
  PENSTOCK_LIMIT_EXECUTORS: 3,
};

/** Numbers and lists that take nothing of a node's, or little enough whatever they are. */
const HARMLESS = [
  'labels',
  'topic_filters',
  'delivery.retries',
  'status.lag',
  'status.dead_letters',
  'status.generation',
  'status.executors',
  'status.executors.generation',
  'generation',
  'set_secrets',
  'restarts',
  'http.success_codes',
  'http.retry_codes',
  'http.credentials.oauth2.scopes',
  'mqtt.port',
  'mqtt.qos',
  'kafka.bootstrap_servers',
  'kafka.retries',
  'kafka.other_properties',
  'kafka.sasl.scopes',
];

const INTEGERS = [ScalarType.INT32, ScalarType.INT64, ScalarType.UINT32, ScalarType.UINT64];

function counts(field: DescField): boolean {
  if (field.fieldKind === 'list' || field.fieldKind === 'map') return true;
  return field.fieldKind === 'scalar' && INTEGERS.includes(field.scalar);
}

test('every number and every list that a caller gives has a limit of the operator, or needs none', () => {
  const isTime = (path: readonly DescField[]) =>
    path.some(({ message }) => message?.typeName.startsWith('google.protobuf.'));
  const paths = pathsTo(IntegrationSchema, counts).filter((path) => !isTime(path));
  const limited = Object.keys(LIMITED).filter((path) => !path.includes('["'));
  assert.deepEqual(
    paths.map((path) => path.map(({ name }) => name).join('.')).toSorted(),
    [...limited, ...HARMLESS].toSorted(),
  );
});

const integration = (fields: JsonObject) => fromJson(IntegrationSchema, fields);
const http = (config: JsonObject) => ({ http: { rest_endpoint_url: 'http://a', ...config } });

/** Each is beyond the limits in one field, and what it comes to on an executor; undefined: the same. */
const BEYOND: readonly (readonly [path: string, fields: JsonObject, lowered?: JsonObject])[] = [
  ['delivery.max_in_flight', { delivery: { max_in_flight: 11 } }, { delivery: { max_in_flight: 10 } }],
  ['delivery.max_executors', { delivery: { max_executors: 4 } }],
  ['metadata', { metadata: { a: '1', b: '2' } }],
  [
    'http.max_parallel_requests_count',
    http({ max_parallel_requests_count: 10_000 }),
    http({ max_parallel_requests_count: 10 }),
  ],
  ['http.max_connections', http({ max_connections: 3 }), http({ max_connections: 2 })],
  [
    'http.max_in_memory_buffer_size_bytes',
    http({ max_in_memory_buffer_size_bytes: 100_001 }),
    http({ max_in_memory_buffer_size_bytes: 100_000 }),
  ],
  [
    'http.batching.max_messages',
    http({ batching: { max_messages: 11, max_bytes: 5 } }),
    http({ batching: { max_messages: 10, max_bytes: 5 } }),
  ],
  [
    'http.batching.max_bytes',
    http({ batching: { max_bytes: 1001 } }),
    http({ batching: { max_bytes: 1000 } }),
  ],
  ['http.headers', http({ headers: { a: '1', b: '2' } })],
  ['http.secret_headers', http({ secret_headers: [{ name: 'a' }, { name: 'b' }] })],
  ['mqtt.pool_size', { mqtt: { pool_size: 3 } }, { mqtt: { pool_size: 2 } }],
  ['mqtt.max_in_flight', { mqtt: { max_in_flight: 11 } }, { mqtt: { max_in_flight: 10 } }],
  [
    'mqtt.static_client_ids',
    { mqtt: { static_client_ids: [{ client_id: 'a' }, { client_id: 'b' }, { client_id: 'c' }] } },
  ],
  ['kafka.batch_size_bytes', { kafka: { batch_size_bytes: 1001 } }, { kafka: { batch_size_bytes: 1000 } }],
  [
    'kafka.buffer_memory_bytes',
    { kafka: { buffer_memory_bytes: '100001' } },
    { kafka: { buffer_memory_bytes: '100000' } },
  ],
  ['kafka.kafka_headers', { kafka: { kafka_headers: [{ key: 'a' }, { key: 'a' }] } }],
  ...['batch.size', 'buffer.memory', 'max.request.size'].map((name) => {
    const limit = name === 'batch.size' ? 1000 : 100_000;
    const of = (value: number): JsonObject => ({ kafka: { other_properties: { [name]: `${value}` } } });
    return [`kafka.other_properties["${name}"]`, of(limit + 1), of(limit)] as const;
  }),
];

test('there is a case for each limit', () => {
  assert.deepEqual(BEYOND.map(([path]) => path).toSorted(), Object.keys(LIMITED).toSorted());
});

for (const [path, fields, lowered] of BEYOND) {
  test(`${path}: refused with its path and the setting, lowered by an executor`, () => {
    const asked = integration(fields);
    const [violation, ...more] = beyondLimits(asked, LIMITS);
    assert.equal(violation?.field, `integration.${path}`);
    assert.match(
      violation.description,
      new RegExp(`^must be at most \\d+, .*\\(${LIMITED[path]}\\), not \\d+$`),
    );
    assert.deepEqual(more, []);
    const { integration: run, lowered: told } = withinLimits(asked, LIMITS);
    assert.deepEqual(
      toJson(IntegrationSchema, run),
      toJson(IntegrationSchema, integration(lowered ?? fields)),
    );
    assert.equal(told.length, lowered ? 1 : 0);
    for (const text of told) assert.ok(text.startsWith(`${path} is `) && text.includes(LIMITED[path]!), text);
    assert.ok(equals(IntegrationSchema, asked, integration(fields)), 'what was asked is left alone');
  });
}

test('what is stored may stay, but not grow', () => {
  const [stored, more] = [
    integration({ delivery: { max_in_flight: 50 } }),
    { delivery: { max_in_flight: 51 } },
  ];
  const renamed = integration({ name: 'other', delivery: { max_in_flight: 50 } });
  assert.deepEqual(beyondLimits(renamed, LIMITS, stored), []);
  assert.equal(beyondLimits(integration(more), LIMITS, stored).length, 1);
  assert.deepEqual(beyondLimits(integration({ delivery: { max_in_flight: 10 } }), LIMITS, stored), []);
});

test('what is within the limits, or unset, is as it was', () => {
  const asked = integration({ delivery: { max_in_flight: 10 }, metadata: { a: '1' }, kafka: {} });
  assert.deepEqual(beyondLimits(asked, LIMITS), []);
  const { integration: run, lowered } = withinLimits(asked, LIMITS);
  assert.equal(run, asked);
  assert.deepEqual(lowered, []);
});
