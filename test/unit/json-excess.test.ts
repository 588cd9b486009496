import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CreateIntegrationRequestSchema } from '../../gen/penstock/v1/integration_service_pb.ts';
import { excessOf } from '../../src/contract/json-excess.ts';
import { jsonViolations } from '../../src/contract/json-violations.ts';

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

function partsOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const values = Object.values(value);
  const colons = Array.isArray(value) ? 0 : values.length;
  return values.reduce((sum: number, one) => sum + partsOf(one), colons + Math.max(0, values.length - 1));
}

test('how deep a JSON is, and of how many parts, is told, whatever stands in its strings and names', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6, stringUnit: fc.constantFrom(...'{}[]"\\ ,:a') }), (value) => {
      const text = JSON.stringify(value);
      const depth = depthOf(value);
      const parts = partsOf(value);
      assert.equal(excessOf(text, { depth, parts }), undefined, text);
      if (depth > 0) assert.equal(excessOf(text, { depth: depth - 1, parts }), 'depth', text);
      if (parts > 0) assert.equal(excessOf(text, { depth, parts: parts - 1 }), 'parts', text);
    }),
  );
});

test('what is nested too deeply is told as that, whole or not, and only that', () => {
  const nested = (open: string, depth: number, close: string) => open.repeat(depth) + close.repeat(depth);
  for (const text of [
    nested('[', 101, ']'),
    nested('{"integration":', 101, '}').replace(':}', ':1}'),
    '['.repeat(2_000_000),
    `{"x":${nested('[', 100, ']')}}`,
  ]) {
    const [{ reason, description } = assert.fail('it is read'), ...more] = jsonViolations(
      CreateIntegrationRequestSchema,
      text,
    );
    assert.deepEqual([reason, more.length], ['TOO_DEEP', 0]);
    assert.match(description, /may lie 100 deep/);
  }
  const allowed = jsonViolations(CreateIntegrationRequestSchema, `{"x":${nested('[', 99, ']')}}`);
  assert.deepEqual(
    allowed.map(({ field, reason }) => [field, reason]),
    [
      ['x', 'UNKNOWN_FIELD'],
      ['integration', 'REQUIRED'],
    ],
  );
});

test('a JSON of too many names or values is told as that, and only that', () => {
  const names = `{${Array.from({ length: 50_001 }, (_, i) => `"k${i}":1`).join(',')}}`;
  for (const text of [names, `[${'1,'.repeat(100_001)}`, '[1,'.repeat(40) + ',:'.repeat(60_000)]) {
    const [violation, ...more] = jsonViolations(CreateIntegrationRequestSchema, text);
    assert.deepEqual([violation?.reason, more.length], ['TOO_MANY', 0]);
    assert.match(violation!.description, /100000 commas and colons/);
  }
});
