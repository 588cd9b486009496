import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { routesOf } from '../../src/rpc/rest/rest-route.ts';
import { OPENAPI, schemaOf } from '../helpers/openapi.ts';
import { servicesOfContract } from '../helpers/services.ts';

test('gen/openapi.json is a valid document of OpenAPI 3.1', async () => {
  const validator = new Validator();
  const { valid, errors } = await validator.validate(JSON.parse(JSON.stringify(OPENAPI)));
  assert.deepEqual(errors, undefined);
  assert.ok(valid);
  assert.equal(validator.version, '3.1');
  const broken = { ...OPENAPI, paths: { '/a': { get: { responses: { '200': {} } } } } };
  assert.equal((await new Validator().validate(broken)).valid, false);
});

test('it has every REST path, with a comment for each path, field and parameter', async () => {
  const routes = (await servicesOfContract()).flatMap(routesOf);
  const operations = Object.values(OPENAPI.paths).flatMap((path) => Object.values(path));
  assert.equal(operations.length, routes.length);
  const ids = operations.map(({ operationId }) => operationId);
  assert.equal(new Set(ids).size, ids.length);
  for (const { operationId, description, parameters = [] } of operations) {
    assert.ok(description, operationId);
    for (const parameter of parameters) assert.ok(parameter.description, `${operationId} ${parameter.name}`);
  }
  for (const [name, { description, properties = {} }] of Object.entries(OPENAPI.components.schemas)) {
    assert.ok(description, name);
    for (const [property, schema] of Object.entries(properties)) {
      assert.ok(schema.description || name === 'Error', `${name}.${property}`);
    }
  }
});

test('every reference leads to a schema', () => {
  const text = JSON.stringify(OPENAPI);
  for (const [, kind, name] of text.matchAll(/"\$ref":"#\/components\/(\w+)\/(\w+)"/g)) {
    assert.ok(OPENAPI.components[kind as 'schemas'][name!], name);
  }
});

const INTEGRATION = { name: 'a', topicFilters: ['a'], http: { restEndpointUrl: 'http://a/' } };

test('its schemas tell right requests from wrong ones, as the rules of the schema do', () => {
  const isValid = schemaOf({ $ref: '#/components/schemas/IntegrationInput' });
  const secret = { username: 'a', password: 'b' };
  const right: object[] = [
    INTEGRATION,
    { ...INTEGRATION, metadata: { a: 'b' }, delivery: { retries: 0, pauseBetweenRetries: '1.5s' } },
    { ...INTEGRATION, http: { ...INTEGRATION.http, credentials: { basic: secret } } },
    { ...INTEGRATION, name: 'ü'.repeat(255) },
  ];
  for (const one of right) assert.ok(isValid(one), JSON.stringify([one, isValid.errors]));
  const wrong: object[] = [
    {},
    { ...INTEGRATION, name: undefined },
    { ...INTEGRATION, name: 'x'.repeat(256) },
    { ...INTEGRATION, nme: 'x' },
    { ...INTEGRATION, id: 'x' },
    { ...INTEGRATION, topicFilters: [] },
    { ...INTEGRATION, topicFilters: ['a', 'a'] },
    { ...INTEGRATION, topicFilters: Array.from({ length: 101 }, (_, i) => `${i}`) },
    { ...INTEGRATION, topicFilters: [''] },
    { ...INTEGRATION, metadata: { '': 'x' } },
    { ...INTEGRATION, metadata: { a: 1 } },
    { ...INTEGRATION, http: undefined },
    { ...INTEGRATION, mqtt: { host: 'a' } },
    { ...INTEGRATION, http: {} },
    { ...INTEGRATION, http: { ...INTEGRATION.http, requestMethod: 'PSOT' } },
    { ...INTEGRATION, http: { ...INTEGRATION.http, maxConnections: 0 } },
    { ...INTEGRATION, http: { ...INTEGRATION.http, credentials: {} } },
    { ...INTEGRATION, http: { ...INTEGRATION.http, credentials: { basic: { password: 'x' } } } },
    { ...INTEGRATION, delivery: { retries: 1_000_001 } },
    { ...INTEGRATION, delivery: { retries: -1 } },
    { ...INTEGRATION, delivery: { pauseBetweenRetries: '1 s' } },
    { ...INTEGRATION, delivery: { order: {} } },
  ];
  for (const one of wrong) assert.equal(isValid(JSON.parse(JSON.stringify(one))), false, JSON.stringify(one));
});

test('a change needs nothing to be there', () => {
  const isValid = schemaOf({ $ref: '#/components/schemas/Integration' });
  assert.ok(isValid({ http: { readTimeout: '5s' } }));
  assert.equal(isValid({ http: { readTimeout: 5 } }), false);
  const { requestBody } = OPENAPI.paths['/api/v1/integrations/{id}']!.patch!;
  assert.deepEqual(requestBody!.content['application/json']!.schema, {
    $ref: '#/components/schemas/Integration',
  });
});

test('secrets are write-only, and what the server sets is read-only', () => {
  const { schemas } = OPENAPI.components;
  assert.equal(schemas.BasicCredentials!.properties!.password!.writeOnly, true);
  assert.equal(schemas.BasicCredentials!.properties!.username!.writeOnly, undefined);
  const readOnly = Object.entries(schemas.Integration!.properties!)
    .filter(([, property]) => property.readOnly)
    .map(([name]) => name);
  assert.deepEqual(readOnly, [
    'id',
    'status',
    'createTime',
    'updateTime',
    'generation',
    'setSecrets',
    'restarts',
    'type',
  ]);
});
