import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CreateIntegrationRequestSchema } from '../../gen/penstock/v1/integration_service_pb.ts';
import { isDeeperThan } from '../../src/contract/json-depth.ts';
import { jsonViolations } from '../../src/contract/json-violations.ts';

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

test('the depth of a JSON is told, whatever stands in its strings and names', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6, stringUnit: fc.constantFrom(...'{}[]"\\ ,:a') }), (value) => {
      const text = JSON.stringify(value);
      const depth = depthOf(value);
      assert.equal(isDeeperThan(text, depth), false, text);
      if (depth > 0) assert.equal(isDeeperThan(text, depth - 1), true, text);
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
