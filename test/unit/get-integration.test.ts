import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { GetIntegrationRequestSchema } from '../../gen/penstock/v1/integration_service_pb.ts';
import type { RouteDeps } from '../../src/control-plane/routes/deps.ts';
import { getIntegration } from '../../src/control-plane/routes/get-integration.ts';
import type { WithReports } from '../../src/control-plane/store/integration-reports.ts';
import { AskedTogether } from '../../src/runtime/asked-together.ts';
import { CALLER } from '../helpers/test-deps.ts';

test('integrations that are asked for in one turn are one question', async () => {
  const questions: (readonly string[])[] = [];
  const integrations = new AskedTogether<WithReports>(async (ids) => {
    questions.push(ids);
    return new Map();
  });
  const deps = { integrations } as unknown as RouteDeps;
  const get = (id: string) =>
    getIntegration(deps, create(GetIntegrationRequestSchema, { id }), { caller: CALLER } as never);
  const results = await Promise.allSettled(['a', 'B', 'a'].map(get));
  assert.deepEqual(questions, [['a', 'b']]);
  assert.ok(
    results.every(({ status }) => status === 'rejected'),
    'there are none',
  );
});
