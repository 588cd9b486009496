import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { create as message } from '@bufbuild/protobuf';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { NodeRole } from '../../gen/penstock/v1/cluster_service_pb.ts';
import {
  CreateIntegrationRequestSchema,
  EnableIntegrationRequestSchema,
  UpdateIntegrationRequestSchema,
} from '../../gen/penstock/v1/integration_service_pb.ts';
import { ValidationResponseSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import { createIntegration } from '../../src/control-plane/routes/create-integration.ts';
import { enableIntegration } from '../../src/control-plane/routes/enable-integration.ts';
import { updateIntegration } from '../../src/control-plane/routes/update-integration.ts';
import { RecentCluster } from '../../src/control-plane/status/recent-cluster.ts';
import { Database } from '../../src/control-plane/store/database.ts';
import { findWithReports } from '../../src/control-plane/store/integration-reports.ts';
import { Locks } from '../../src/control-plane/store/locks.ts';
import { Watches } from '../../src/control-plane/watches/watches.ts';
import { AskedTogether } from '../../src/runtime/asked-together.ts';
import { RateLimit } from '../../src/runtime/rate-limit.ts';
import { CONFIG, controlPlaneForTests, executorForTests, HTTP } from '../helpers/control-plane.ts';
import { nodeForTests } from '../helpers/nodes.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { CALLER } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

test('callers whose deadline is near, while an ingress says nothing', async (t) => {
  const system = await controlPlaneForTests(t);
  await executorForTests(t, system);
  const { client, cluster, clock } = system;
  nodeForTests(t, system, { serviceId: 'silent', roles: [NodeRole.INGRESS], types: [] });
  await waitUntil('the ingress is known', async () =>
    (await cluster.listNodes({})).nodes.some(({ serviceId }) => serviceId === 'silent'),
  );
  const total = async () => (await client.listIntegrations({})).totalSize;

  // The routes themselves, with a caller for whose answer there is just time.
  await using db = new Database(system.postgresUrl, system);
  await using locks = new Locks(system.postgresUrl, system);
  const deps = {
    ...system,
    ...CONFIG,
    db,
    locks,
    clock: { ...clock, sleep: () => assert.fail('it waits although the deadline is near') },
    requester: { replyTopic: '', request: async () => message(ValidationResponseSchema) },
    watches: new Watches({ clock, db }),
    recentCluster: new RecentCluster(db, clock),
    integrations: new AskedTogether((ids) => findWithReports(db, ids)),
    checks: new RateLimit(CONFIG.checkRate, clock),
    wakeRelay() {},
    wakeJobs() {},
  };
  const call = {
    caller: CALLER,
    isLetIn: () => Promise.resolve(true),
    requestHeader: new Headers(),
    responseHeader: new Headers(),
    responseTrailer: new Headers(),
    signal: new AbortController().signal,
    timeoutMs: () => 100,
  };

  await t.test('are told before it that a creation was saved, and that an ingress is awaited', async () => {
    const before = await total();
    const request = message(CreateIntegrationRequestSchema, { integration: HTTP, requestId: randomUUID() });
    const first = await createIntegration(deps, request, call);
    const again = await createIntegration(deps, request, call);
    assert.deepEqual([first.awaitsIngress, again.awaitsIngress], [true, true]);
    assert.ok(first.integration?.id);
    assert.equal(again.integration?.id, first.integration.id);
    assert.equal(await total(), before + 1);
  });

  await t.test('and that a change was saved', async () => {
    const { integration, awaitsIngress } = await client.createIntegration({ integration: HTTP });
    assert.equal(awaitsIngress, true, 'told to those with time as well, after two seconds');
    const { id, etag } = integration!;
    const wider = { ...HTTP, id, etag, topicFilters: ['other/#'] };
    const request = message(UpdateIntegrationRequestSchema, { integration: wider });
    const updated = await updateIntegration(deps, request, call);
    assert.deepEqual([updated.awaitsIngress, updated.integration?.generation], [true, 2n]);
    const asked = message(EnableIntegrationRequestSchema, { id });
    // Until Kafka has it, it says that.
    await waitUntil('it is enabled', () =>
      enableIntegration(deps, asked, call).then(
        (enabled) => enabled.awaitsIngress === true && enabled.integration?.generation === 2n,
        (error) => {
          assert.match(error.message, /is enabled, but Kafka does not know yet/);
          return false;
        },
      ),
    );
    const narrower = { ...HTTP, id, topicFilters: ['other/#'], name: 'renamed' };
    const renamed = await client.updateIntegration({ integration: narrower });
    assert.equal(renamed.awaitsIngress, false, 'nothing is awaited for a name');
  });

  await t.test('a creation is repeated until there is an answer, and made once', async () => {
    const before = await total();
    const request = { integration: { ...HTTP, name: 'once' }, requestId: randomUUID() };
    const answers: (string | undefined)[] = [];
    for (let i = 0; i < 20 && answers.length < 2; i++) {
      await client.createIntegration(request, { deadline: 100 * (i + 1) }).then(
        ({ integration }) => answers.push(integration?.id),
        // With hardly any time, the question to an executor does not even get onto Kafka.
        ({ code }) => assert.ok([Code.DEADLINE_EXCEEDED, Code.UNAVAILABLE].includes(code), String(code)),
      );
    }
    assert.equal(answers.length, 2);
    assert.equal(new Set(answers).size, 1);
    assert.equal(await total(), before + 1);
  });
});

test('a change that is asked for again is done once, whatever became of the first answer', async (t) => {
  const system = await controlPlaneForTests(t);
  await executorForTests(t, system);
  const { client } = system;
  const { integration: created } = await client.createIntegration({ integration: HTTP });
  const { id, etag } = created!;
  const change = { integration: { ...created!, description: 'changed' } };
  const first = await client.updateIntegration(change);
  const again = await client.updateIntegration(change);
  assert.deepEqual(again.integration, first.integration);
  assert.equal(again.integration?.generation, 2n);
  const masked = {
    integration: { id, etag, description: 'changed' },
    updateMask: { paths: ['description'] },
  };
  assert.equal((await client.updateIntegration(masked)).integration?.generation, 2n);
  const other = await rpcRejection(() =>
    client.updateIntegration({ integration: { ...created!, description: 'another one' } }),
  );
  assert.deepEqual([other.code, other.reason], [Code.ABORTED, 'ETAG_MISMATCH']);

  await client.deleteIntegration({ id });
  assert.equal((await rpcRejection(() => client.deleteIntegration({ id }))).code, Code.NOT_FOUND);
});
