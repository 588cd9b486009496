import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { MethodOptions_IdempotencyLevel as Idempotency } from '@bufbuild/protobuf/wkt';
import { pathText, type RestRoute, routesOf } from '../../src/rpc/rest/rest-route.ts';
import { servicesOfContract } from '../helpers/services.ts';

const services = await servicesOfContract();
const routes = services.flatMap(routesOf);

/** What tells one path from another: where a value stands, any value does. */
const shapeOf = ({ httpMethod, segments, verb }: RestRoute) =>
  `${httpMethod} /${segments.map((segment) => ('text' in segment ? segment.text : '*')).join('/')}:${verb}`;

test('every RPC has an HTTP path: add `option (google.api.http)` to one that is named here', () => {
  assert.ok(services.length >= 6);
  const without = services
    .flatMap(({ methods }) => methods)
    .filter((method) => !routes.some((route) => route.method === method));
  assert.deepEqual(
    without.map((method) => `${method.parent.typeName}/${method.name}`),
    [],
  );
});

test('no two RPCs have one path', () => {
  const shapes = routes.map(shapeOf);
  assert.deepEqual(
    shapes.filter((shape, i) => shapes.indexOf(shape) !== i),
    [],
  );
});

test('a path is under /api/v1, and GET changes nothing', () => {
  const wrong = routes.filter(
    ({ method, httpMethod, segments: [first, second] }) =>
      ![first, second].every(
        (segment, i) => segment && 'text' in segment && segment.text === ['api', 'v1'][i],
      ) ||
      (method.methodKind === 'unary' &&
        (httpMethod === 'GET') !== (method.idempotency === Idempotency.NO_SIDE_EFFECTS)),
  );
  assert.deepEqual(wrong.map(shapeOf), []);
});

test('docs/api.md has every path, with its RPC', () => {
  const table = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8');
  const told = [...table.matchAll(/^\| `([A-Z]+ \/api\S*)` \| `(\w+)`/gm)].map(
    ([, call, rpc]) => `${call!.replaceAll(/\{\w+\}/g, '{}')} ${rpc}`,
  );
  const there = routes.map((route) => `${route.httpMethod} ${pathText(route)} ${route.method.name}`);
  assert.deepEqual(told.toSorted(), there.toSorted());
});
