import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type DescMessage, fromJson, type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { DeadLetterService } from '../../gen/penstock/v1/dead_letter_service_pb.ts';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import {
  CreateIntegrationRequestSchema as Create,
  IntegrationService,
  ListIntegrationsRequestSchema as List,
  UpdateIntegrationRequestSchema as Update,
} from '../../gen/penstock/v1/integration_service_pb.ts';
import { MessageService } from '../../gen/penstock/v1/message_service_pb.ts';
import { ReplayService } from '../../gen/penstock/v1/replay_service_pb.ts';
import { UplinkRecordSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import { JsonReading } from '../../src/contract/json-reading.ts';
import { jsonViolations } from '../../src/contract/json-violations.ts';
import { isSecret } from '../../src/contract/secrets.ts';
import { anyJson, changedAt, spotsIn } from '../helpers/any-json.ts';
import { pathsTo } from '../helpers/schema-paths.ts';

const services = [IntegrationService, MessageService, DeadLetterService, ReplayService];
const schemas: readonly DescMessage[] = [
  UplinkRecordSchema,
  ...services.flatMap(({ methods }) => methods.map(({ input }) => input as DescMessage)),
];
/** A JSON of a message, and its schema. */
const anyRequest = fc
  .oneof(
    { arbitrary: fc.constant(Create as DescMessage), weight: 5 },
    { arbitrary: fc.constantFrom(...schemas), weight: 5 },
  )
  .chain((schema) => fc.tuple(fc.constant(schema), anyJson(schema)));
const anyIndex = fc.nat();

const told = (schema: DescMessage, json: JsonValue) =>
  jsonViolations(schema, JSON.stringify(json)).map(({ field, description }) => `${field}: ${description}`);
const reads = (schema: DescMessage, json: JsonValue) => {
  try {
    fromJson(schema, json);
    return true;
  } catch {
    return false;
  }
};

const URL = 'http://127.0.0.1:9999/in';
const integration = (http: JsonObject, more: JsonObject = {}) => ({
  integration: { name: 'n', topic_filters: ['a'], http: { rest_endpoint_url: URL, ...http }, ...more },
});

describe('each is told with its path and what comes nearest', () => {
  const rows: readonly [what: string, schema: DescMessage, json: JsonValue, ...violations: string[]][] = [
    [
      'a misspelt field, which is not told to be missing too',
      Create,
      { integration: { name: 'n', topic_filters: ['a'], http: { rest_endpint_url: URL } } },
      'integration.http.rest_endpint_url: there is no such field; did you mean rest_endpoint_url?',
    ],
    [
      'in the other spelling',
      Create,
      integration({ readTimout: '1s' }),
      'integration.http.readTimout: there is no such field; did you mean readTimeout?',
    ],
    [
      'a type that is not there, which is not told to be missing too',
      Create,
      { integration: { name: 'n', topic_filters: ['a'], htpp: {} } },
      'integration.htpp: there is no such field; did you mean http?',
    ],
    [
      'far off',
      Create,
      { integrations: 1, xyz: 2 },
      'integrations: there is no such field; did you mean integration?',
      'xyz: there is no such field',
    ],
    [
      'several that are near',
      Create,
      integration({ max_bytes: 1, connect_timeouts: '1s', max_conections: 1 }),
      'integration.http.max_bytes: there is no such field',
      'integration.http.connect_timeouts: there is no such field; did you mean connect_timeout?',
      'integration.http.max_conections: there is no such field; did you mean max_connections?',
    ],
    [
      'a value of an enum without its beginning',
      Create,
      integration({ request_method: 'PSOT' }),
      'integration.http.request_method: there is no value "PSOT"; did you mean HTTP_METHOD_POST?',
    ],
    [
      'in a list',
      List,
      { filter: { types: ['HTTP', 'INTEGRATION_TYPE_MQTT', 'x'] } },
      'filter.types[0]: there is no value "HTTP"; did you mean INTEGRATION_TYPE_HTTP?',
      'filter.types[2]: there is no value "x"',
    ],
    [
      'a number that is no value, of a rule',
      List,
      { filter: { types: [99] }, pge_size: 1 },
      'pge_size: there is no such field; did you mean page_size?',
      'filter.types[0]: value must be one of the defined enum values',
    ],
    [
      'together with the rules of the rest',
      Create,
      integration(
        { headers: { 'a b': 'x', ok: 1 } },
        { topic_filters: ['a+'], desciption: 'x', delivery: { retries: 'x' } },
      ),
      'integration.http.headers["ok"]: must be text',
      'integration.desciption: there is no such field; did you mean description?',
      'integration.delivery.retries: must be a whole number from 0 to 4294967295',
      'integration.topic_filters[0]: must be an MQTT topic filter: + stands for one whole level, # only for the last, no NUL, no $share/',
      'integration.http.headers["a b"]: must be a header name: letters, digits and !#$%&\'*+.^_`|~- only, at most 256',
    ],
    [
      'of a rule about the message with it in it nothing',
      Create,
      {
        integration: {
          name: 'n',
          topic_filters: ['a'],
          mqtt: { host: 'h', use_msg_topic_name: false, topic_nme: 'a' },
        },
      },
      'integration.mqtt.topic_nme: there is no such field; did you mean topic_name?',
    ],
    [
      'of rules about the other items of a list nothing, for their numbers would be wrong',
      Create,
      integration({}, { topic_filters: [1, 'a', 'a+'] }),
      'integration.topic_filters[0]: must be text',
    ],
    [
      'a type of another type, which is not told to be missing too',
      Create,
      { integration: { name: 'n', topic_filters: ['a'], http: 5 } },
      'integration.http: must be an object',
    ],
    [
      'two of a oneof, although one is null',
      Create,
      integration({}, { mqtt: null }),
      'integration.mqtt: cannot be set beside http: leave out one of both',
    ],
    [
      'in the items of a list',
      Create,
      integration({ secret_headers: [{ name: 'x-a' }, { nam: 'x-b' }] }),
      'integration.http.secret_headers[1].nam: there is no such field; did you mean name?',
    ],
    [
      'other types',
      Create,
      { integration: [], request_id: 5, validate_only: 'true' },
      'integration: must be an object',
      'request_id: must be text',
      'validate_only: must be true or false',
    ],
    [
      'of well-known messages',
      Update,
      { integration: { http: { read_timeout: 5 } }, update_mask: { paths: ['name'] } },
      'integration.http.read_timeout: must be a duration, such as "1.5s"',
      'update_mask: must be the paths of fields in lowerCamelCase with commas between them, such as "name,http.readTimeout"',
    ],
    ['no object', Create, [], ': must be an object'],
    [
      'null in a list and a map',
      Create,
      integration({ headers: { a: null }, success_codes: [null] }),
      'integration.http.headers["a"]: must not be null',
      'integration.http.success_codes[0]: must not be null',
    ],
    [
      'a field by both names',
      Create,
      integration({ restEndpointUrl: URL }),
      'integration.http.rest_endpoint_url: is there twice, as rest_endpoint_url and as restEndpointUrl',
    ],
    [
      'two of a oneof',
      Create,
      integration({}, { mqtt: { host: 'h' } }),
      'integration.mqtt: cannot be set beside http: leave out one of both',
    ],
    ['a name that is no name', List, { 'a.b"': 1 }, '["a.b\\""]: there is no such field'],
    [
      'of the prototype',
      List,
      { constructor: 1, toString: {} },
      'constructor: there is no such field',
      'toString: there is no such field',
    ],
  ];
  for (const [what, schema, json, ...violations] of rows) {
    test(what, () => assert.deepEqual(told(schema, json), violations));
  }
  test('a name that is there twice', () => {
    const [first] = jsonViolations(Create, '{"validate_only":true,"validate_only":true}');
    assert.equal(first?.description, 'an object has the name "validate_only" twice: leave out one of both');
  });
  test('what is no JSON', () => {
    const said = (text: string) => jsonViolations(Create, text).map(({ description }) => description);
    assert.deepEqual(said('{"a" 1}'), [
      "the request is no JSON: Expected ':' after property name in JSON at position 5 (line 1 column 6)",
    ]);
    assert.deepEqual(said('{"a":tru}'), ["the request is no JSON: Unexpected token '}'"]);
    assert.deepEqual(said(''), ['the request is no JSON: Unexpected end of JSON input']);
  });
});

test('what protobuf reads is never refused, and nothing of it is left out', () => {
  fc.assert(
    fc.property(anyRequest, ([schema, json]) => {
      const reading = new JsonReading(schema, json);
      assert.deepEqual(reading.violations, []);
      assert.deepEqual(reading.readable, json);
      const reasons = jsonViolations(schema, JSON.stringify(json));
      assert.deepEqual(reasons, []);
    }),
    { numRuns: 300 },
  );
});

test('what is refused is told, and the rest is read', () => {
  fc.assert(
    fc.property(anyRequest, anyIndex, fc.jsonValue({ maxDepth: 2 }), ([schema, json], index, other) => {
      const spots = spotsIn(json);
      const changed = changedAt(json, spots[index % spots.length]!.way, () => other as JsonValue);
      const reading = new JsonReading(schema, changed);
      assert.equal(
        reading.violations.length === 0,
        reads(schema, changed),
        JSON.stringify(reading.violations),
      );
      if (reading.readable !== undefined) fromJson(schema, reading.readable);
      const violations = jsonViolations(schema, JSON.stringify(changed));
      assert.equal(violations.length === 0, reads(schema, JSON.parse(JSON.stringify(changed))));
    }),
    { numRuns: 1000 },
  );
});

test('a field by another name is told with its path, and the name that it had', () => {
  fc.assert(
    fc.property(anyJson(Create), anyIndex, (json, index) => {
      const names = pathsIn(Create, json);
      fc.pre(names.length > 0);
      const { way, path, name } = names[index % names.length]!;
      const wrong = `${name}x`;
      const changed = changedAt(json, way, (value) =>
        Object.fromEntries(
          Object.entries(value as JsonObject).map(([key, one]) => [key === name ? wrong : key, one]),
        ),
      );
      const found = jsonViolations(Create, JSON.stringify(changed)).find(
        ({ reason }) => reason === 'UNKNOWN_FIELD',
      );
      assert.equal(found?.field, path === '' ? wrong : `${path}.${wrong}`);
      assert.ok(found?.description.includes(name), found?.description);
    }),
    { numRuns: 500 },
  );
});

interface Named {
  readonly way: readonly (string | number)[];
  /** Of the message, in the schema's names. */
  readonly path: string;
  readonly name: string;
}

/** The names of all fields in a JSON of the message. */
function pathsIn(schema: DescMessage, json: JsonValue, way: Named['way'] = [], path = ''): readonly Named[] {
  if (typeof json !== 'object' || json === null || schema.typeName.startsWith('google.')) return [];
  return Object.entries(json).flatMap(([name, value]) => {
    const field = schema.fields.find((one) => one.name === name || one.jsonName === name)!;
    const at = path === '' ? field.name : `${path}.${field.name}`;
    const own = { way, path, name };
    if (!field.message || value === null) return [own];
    const inner = Array.isArray(value)
      ? value.flatMap((one, i) => pathsIn(field.message!, one, [...way, name, i], `${at}[${i}]`))
      : pathsIn(field.message, value, [...way, name], at);
    return [own, ...inner];
  });
}

test('no secret is told, whatever is wrong with it or beside it', () => {
  const secret = 'hunter2-hunter2';
  const paths = pathsTo(IntegrationSchema, isSecret);
  assert.ok(paths.length >= 15);
  for (const path of paths) {
    const at = (value: JsonValue): JsonValue =>
      path.reduceRight<JsonValue>(
        (inner, field) => ({ [field.name]: field.fieldKind === 'list' ? [inner] : inner }),
        value,
      );
    for (const value of [[secret], { a: secret }, [[secret]], 4242424242]) {
      const violations = jsonViolations(Create, JSON.stringify({ integration: at(value) }));
      assert.ok(
        violations.some(({ reason }) => reason === 'WRONG_TYPE'),
        path.join(),
      );
      assert.doesNotMatch(JSON.stringify(violations), /hunter2|4242/);
    }
    const text = JSON.stringify({
      integration: { ...(at(secret) as JsonObject), x: 1, description: `${secret} 2` },
    });
    for (let end = 0; end < text.length; end++) {
      for (const broken of [
        text.slice(0, end),
        `${text.slice(0, end)}\u0001${text.slice(end)}`,
        text.slice(end),
      ]) {
        assert.doesNotMatch(JSON.stringify(jsonViolations(Create, broken)), /hunter2/);
      }
    }
  }
});

test('however large it is, little is told, and soon', () => {
  const many = Object.fromEntries(Array.from({ length: 200_000 }, (_, i) => [`rest_endpoint_ur${i}`, i]));
  const deep = '['.repeat(100_000) + ']'.repeat(100_000);
  const texts = [
    JSON.stringify({ integration: { http: many } }),
    JSON.stringify({ integration: { topic_filters: Array.from({ length: 500_000 }, (_, i) => i) } }),
    JSON.stringify({ ['x'.repeat(4_000_000)]: 1 }),
    JSON.stringify({
      integration: {
        http: { headers: { ['k'.repeat(2_000_000)]: 1 }, request_method: 'x'.repeat(2_000_000) },
      },
    }),
    `{"integration":${deep},"x":${deep}}`,
    JSON.stringify({ integration: { topic_filters: [...Array.from({ length: 1_000_000 }, () => 'a'), 1] } }),
  ];
  for (const text of texts) {
    const start = process.cpuUsage();
    const violations = jsonViolations(Create, text);
    const { user } = process.cpuUsage(start);
    assert.ok(violations.length > 0 && violations.length <= 100, `${violations.length}`);
    assert.ok(JSON.stringify(violations).length < 50_000);
    assert.ok(user < 5_000_000, `${user} µs for ${text.slice(0, 60)}`);
  }
});

// It took minutes, of a process that does nothing else meanwhile.
test('a name that looks like what protobuf says is told like another one', { timeout: 60_000 }, () => {
  const name = 'duplicate object key "'.repeat(150_000);
  assert.equal(jsonViolations(Create, JSON.stringify({ [name]: 1 }))[0]!.reason, 'UNKNOWN_FIELD');
});

test('a name in a map that is no text is no reason to tell nothing', () => {
  const text = '{"x": 1, "integration": {"metadata": {"\\ud800": "a"}}}';
  assert.match(jsonViolations(Create, text)[0]!.field, /^x$/);
});
