import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJsonString, ScalarType } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { jsonViolations } from '../../src/contract/json-violations.ts';
import { RpcError } from '../../src/rpc/error.ts';
import { requestJson } from '../../src/rpc/rest/request-json.ts';
import { findRoute, routesOf } from '../../src/rpc/rest/rest-route.ts';
import { servicesOfContract } from '../helpers/services.ts';

const routes = (await servicesOfContract()).flatMap(routesOf);

const name = fc.oneof(
  fc.constantFrom('filter', 'filter.text', 'page_size', 'pageSize', 'id', 'integration', 'integration.name'),
  fc.constantFrom(
    '__proto__',
    'constructor',
    'filter.types',
    'update_mask',
    'validate_only',
    '',
    '.',
    'a..b',
  ),
  fc.string({ maxLength: 8 }),
);
const value = fc.oneof(
  fc.constantFrom('', '1', 'true', 'a_b', '%ff', '%', '+', '{}', 'null'),
  fc.string({ maxLength: 8 }),
);
/** What BigInt takes for a number, beside what is one. */
const param = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.constantFrom('', ' ', '5', '-5', '007', ' 5', '0x10', '0b1', '1e3', '9223372036854775808', '5.0'),
);
const numbers = new Set([ScalarType.INT64, ScalarType.UINT64]);
const query = fc
  .array(fc.tuple(name, value), { maxLength: 4 })
  .map((pairs) => pairs.map((pair) => pair.join('=')).join('&'));
const json = fc.oneof(
  fc.json(),
  fc.constantFrom('{"id":"a"}', '{"id":null,"name":"a"}', '{"http":{"headers":{}}}', ' {} '),
);
const body = fc.oneof(
  fc.constant(''),
  fc.string(),
  json,
  fc.tuple(json, fc.string()).map((parts) => parts.join('')),
);

test('whatever comes is a JSON that says the same, or is told to be wrong', () => {
  let read = 0;
  fc.assert(
    fc.property(fc.constantFrom(...routes), param, query, body, (route, param, query, body) => {
      const params = new Map(
        route.segments.flatMap((segment) => ('field' in segment ? [[segment.field, param] as const] : [])),
      );
      let text: string;
      try {
        text = requestJson(route, { params, query, body });
      } catch (error) {
        assert.ok(error instanceof RpcError, String(error));
        assert.equal(error.code, Code.INVALID_ARGUMENT);
        return;
      }
      JSON.parse(text);
      if (jsonViolations(route.method.input, text).length > 0) return;
      read++;
      const message = fromJsonString(route.method.input, text) as never as Record<string, unknown>;
      for (const [path, value] of params) {
        const got = path.reduce<unknown>(
          (at, { localName }) => (at as Record<string, unknown>)[localName],
          message,
        );
        const inOneof = path[0]!.oneof
          ? (message[path[0]!.oneof.localName] as { value: unknown }).value
          : got;
        assert.equal(String(inOneof), numbers.has(path.at(-1)!.scalar!) ? String(BigInt(value)) : value);
      }
    }),
    { numRuns: 5000 },
  );
  assert.ok(read > 200, `only ${read} were read`);
});

test('any path leads to one route, or to none', () => {
  const part = fc.oneof(
    fc.constantFrom('api', 'v1', 'integrations', 'a', '', '..', ':', 'a:enable', '%2F', '%'),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.constantFrom('GET', 'POST', 'x'), fc.array(part, { maxLength: 7 }), (method, parts) => {
      try {
        findRoute(routes, method, `/${parts.join('/')}`);
      } catch (error) {
        assert.ok(error instanceof URIError);
      }
    }),
    { numRuns: 5000 },
  );
});

test('a number of 64 bits is digits, in a path and in a query', () => {
  for (const text of [' ', ' 5', '0x10', '1e3', '5.0', '+5']) {
    const found = findRoute(routes, 'GET', `/api/v1/integrations/a/revisions/${encodeURIComponent(text)}`);
    assert.ok(found && 'route' in found);
    assert.throws(
      () => requestJson(found.route, { params: found.params, query: '', body: '' }),
      (error: RpcError) => error.message.includes('generation') && error.message.includes('whole number'),
      JSON.stringify(text),
    );
  }
});

test('what the path names does not change, though the body has it, too', () => {
  const found = findRoute(routes, 'PATCH', '/api/v1/users/alice');
  assert.ok(found && 'route' in found);
  const { route, params } = found;
  const body = '{"name":"alice","disabled":true}';
  assert.deepEqual(JSON.parse(requestJson(route, { params, query: '', body })), {
    user: { name: 'alice', disabled: true },
    update_mask: 'disabled',
  });
});
