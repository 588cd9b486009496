import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { type MessageInitShape, create as message } from '@bufbuild/protobuf';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { type IntegrationSchema, IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import {
  CreateIntegrationRequestSchema,
  UpdateIntegrationRequestSchema,
} from '../../gen/penstock/v1/integration_service_pb.ts';
import { ValidationResponseSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import { createIntegration } from '../../src/control-plane/routes/create-integration.ts';
import { updateIntegration } from '../../src/control-plane/routes/update-integration.ts';
import { RecentCluster } from '../../src/control-plane/status/recent-cluster.ts';
import { Database } from '../../src/control-plane/store/database.ts';
import { findWithReports } from '../../src/control-plane/store/integration-reports.ts';
import { Locks } from '../../src/control-plane/store/locks.ts';
import { Watches } from '../../src/control-plane/watches/watches.ts';
import { AskedTogether } from '../../src/runtime/asked-together.ts';
import { RateLimit } from '../../src/runtime/rate-limit.ts';
import {
  CONFIG,
  controlPlaneForTests,
  downlinkForTests,
  executorForTests,
  HTTP,
} from '../helpers/control-plane.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { CALLER } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

type Init = MessageInitShape<typeof IntegrationSchema>;

test('changes of integrations', async (t) => {
  const system = await controlPlaneForTests(t);
  const executor = await executorForTests(t, system);
  const { client, topics, bus, metrics } = system;
  const create = async (init: Init = HTTP) => {
    const { integration } = await client.createIntegration({ integration: init });
    return integration!;
  };
  const total = async () => (await client.listIntegrations({})).totalSize;
  t.beforeEach(() => {
    executor.asked.length = 0;
  });

  await t.test('fields that the server sets are ignored in requests', async () => {
    const mine = {
      id: randomUUID(),
      generation: 7n,
      etag: 'mine',
      status: { state: IntegrationState.ACTIVE },
    };
    const created = await create({ ...HTTP, ...mine });
    assert.notEqual(created.id, mine.id);
    assert.notEqual(created.etag, mine.etag);
    assert.equal(created.generation, 1n);
    assert.equal(created.status?.state, IntegrationState.PENDING);
  });

  await t.test('an update grows the generation by one and changes what the mask names', async () => {
    const created = await create();
    const { integration } = await client.updateIntegration({
      integration: { id: created.id, name: 'new', description: 'not in the mask' },
      updateMask: { paths: ['name'] },
    });
    assert.equal(integration?.name, 'new');
    assert.equal(integration.description, '');
    assert.equal(integration.generation, 2n);
    assert.deepEqual(integration.createTime, created.createTime);
    const same = await client.updateIntegration({ integration });
    assert.deepEqual(same.integration, integration);
  });

  await t.test('an update that changes nothing is not sent again', async (t) => {
    const downlink = await downlinkForTests(t, system);
    const created = await create();
    const { id } = created;
    const same = await client.updateIntegration({ integration: created });
    assert.deepEqual(same.integration, created);
    await client.updateIntegration({ integration: { ...created, name: 'new' } });
    await waitUntil('the change is sent', () => downlink.generations(id).includes(2));
    assert.deepEqual(downlink.generations(id), [1, 2]);
  });

  await t.test('nothing is saved for a caller who gave up while the executor agreed', async () => {
    const { id } = await create();
    const before = await total();
    await using db = new Database(system.postgresUrl, system);
    await using locks = new Locks(system.postgresUrl, system);
    const caller = new AbortController();
    const requester = {
      replyTopic: '',
      async request() {
        caller.abort(new Error('gave up'));
        return message(ValidationResponseSchema);
      },
    };
    const wakes = { wakeRelay() {}, wakeJobs() {} };
    const config = { ...CONFIG, checkTimeout: 1000 };
    const watches = new Watches({ ...system, db });
    const recentCluster = new RecentCluster(db, system.clock);
    const checks = new RateLimit(CONFIG.checkRate, system.clock);
    const integrations = new AskedTogether((ids) => findWithReports(db, ids));
    const own = { db, locks, requester, watches, checks, recentCluster, integrations };
    const deps = { ...system, ...wakes, ...config, ...own };
    const headers = {
      caller: CALLER,
      isLetIn: () => Promise.resolve(true),
      requestHeader: new Headers(),
      responseHeader: new Headers(),
      responseTrailer: new Headers(),
    };
    const call = { ...headers, signal: caller.signal, timeoutMs: () => undefined };
    const creation = message(CreateIntegrationRequestSchema, { integration: HTTP });
    await assert.rejects(createIntegration(deps, creation, call), /gave up/);
    const update = message(UpdateIntegrationRequestSchema, { integration: { ...HTTP, id, name: 'new' } });
    await assert.rejects(updateIntegration(deps, update, call), /gave up/);
    assert.equal(await total(), before);
    assert.equal((await client.getIntegration({ id })).integration?.generation, 1n);
  });

  await t.test('an etag that is not the current one: ABORTED', async () => {
    const created = await create();
    const { integration } = await client.updateIntegration({ integration: { ...created, name: 'first' } });
    const stale = { ...created, name: 'second' };
    for (const call of [
      () => client.updateIntegration({ integration: stale }),
      () => client.deleteIntegration({ id: created.id, etag: created.etag }),
    ]) {
      const { code, reason } = await rpcRejection(call);
      assert.deepEqual([code, reason], [Code.ABORTED, 'ETAG_MISMATCH']);
    }
    await client.deleteIntegration({ id: created.id, etag: integration!.etag });
  });

  await t.test(
    'max_executors grows, and with it the partitions of the topic, but never shrinks them',
    async () => {
      const { id } = await create({ ...HTTP, delivery: { maxExecutors: 3 } });
      const grown = async () => (await metrics.topicsGrown.get()).values[0]?.value ?? 0;
      const before = await grown();
      const update = async (maxExecutors: number) => {
        const { integration } = await client.updateIntegration({
          integration: { id, delivery: { maxExecutors } },
          updateMask: { paths: ['delivery.max_executors'] },
        });
        return [integration?.generation, (await grown()) - before];
      };
      const { name } = topics.messages(id);
      // Whichever node is asked hears of new partitions when it does.
      const has = (count: number) =>
        waitUntil(`${count} partitions`, async () => (await bus.offsets(name)).size === count);
      assert.deepEqual(await update(2), [2n, 0]);
      await has(3);
      assert.deepEqual(await update(3), [3n, 0], 'it had as many before');
      await has(3);
      assert.deepEqual(await update(5), [4n, 1]);
      await has(5);
      assert.deepEqual(await update(1), [5n, 1]);
      await has(5);
    },
  );

  await t.test('concurrent updates of different fields all last', async () => {
    const { id } = await create();
    await Promise.all([
      client.updateIntegration({ integration: { id, name: 'n' }, updateMask: { paths: ['name'] } }),
      client.updateIntegration({
        integration: { id, description: 'd' },
        updateMask: { paths: ['description'] },
      }),
      client.disableIntegration({ id }),
    ]);
    const { integration } = await client.getIntegration({ id });
    assert.deepEqual(
      [integration?.name, integration?.description, integration?.enabled, integration?.generation],
      ['n', 'd', false, 4n],
    );
  });

  await t.test('enable and disable ask nobody and change nothing twice', async () => {
    const { id } = await create();
    executor.asked.length = 0;
    const first = (await client.disableIntegration({ id })).integration;
    assert.deepEqual([first?.generation, first?.status?.state], [2n, IntegrationState.DISABLED]);
    assert.deepEqual((await client.disableIntegration({ id })).integration, first);
    assert.equal((await client.enableIntegration({ id })).integration?.generation, 3n);
    assert.equal(executor.asked.length, 0);
  });

  await t.test('a creation repeated with its request id makes one integration', async () => {
    const before = await total();
    const request = { integration: HTTP, requestId: randomUUID() };
    const calls = Array.from({ length: 5 }, () => client.createIntegration(request));
    const later = (await Promise.all(calls)).concat(await client.createIntegration(request));
    assert.equal(new Set(later.map(({ integration }) => integration?.id)).size, 1);
    assert.equal(await total(), before + 1);
  });

  await t.test(
    'a creation whose twin was faster, and is deleted already, answers no integration',
    async () => {
      const request = { integration: HTTP, requestId: randomUUID() };
      await using stored = new Database(system.postgresUrl, system);
      await using locks = new Locks(system.postgresUrl, system);
      let looks = 0;
      const db: Pick<Database, 'query' | 'transaction'> = {
        async query<R extends object>(sql: string, values?: readonly unknown[]) {
          const isLook = sql.includes('where request_id = $1');
          if (isLook) looks++;
          if (isLook && looks === 2) await client.deleteIntegration({ id: (await twin!).integration!.id });
          const found = await stored.query<R>(sql, values);
          if (isLook && looks === 1) twin = client.createIntegration(request);
          await twin; // it was not there yet, and is now
          return found;
        },
        transaction: (work) => stored.transaction(work),
      };
      let twin: ReturnType<typeof client.createIntegration> | undefined;
      const requester = { replyTopic: '', request: async () => message(ValidationResponseSchema) };
      const wakes = { wakeRelay() {}, wakeJobs() {} };
      const watches = new Watches({ ...system, db: db as Database });
      const recentCluster = new RecentCluster(db as Database, system.clock);
      const checks = new RateLimit(CONFIG.checkRate, system.clock);
      const integrations = new AskedTogether((ids) => findWithReports(db, ids));
      const own = { db: db as Database, locks, requester, watches, checks, recentCluster, integrations };
      const deps = { ...system, ...wakes, ...CONFIG, ...own };
      const headers = {
        caller: CALLER,
        isLetIn: () => Promise.resolve(true),
        requestHeader: new Headers(),
        responseHeader: new Headers(),
        responseTrailer: new Headers(),
      };
      const call = { ...headers, signal: new AbortController().signal, timeoutMs: () => undefined };
      const creation = message(CreateIntegrationRequestSchema, request);
      const before = await total();
      const { code, message: text } = await rpcRejection(() => createIntegration(deps, creation, call));
      assert.equal(code, Code.ABORTED);
      assert.match(text, /is deleted already, and no other was: repeat the request/);
      assert.equal(await total(), before);
      const { integration } = await client.createIntegration(request);
      assert.equal((await client.getIntegration({ id: integration!.id })).integration?.name, HTTP.name);
    },
  );

  await t.test('deletion sends tombstones for every shard, and removes topics and group', async (t) => {
    const downlink = await downlinkForTests(t, system);
    const { id } = await create({ ...HTTP, delivery: { maxExecutors: 3 } });
    const lowered = {
      integration: { id, delivery: { maxExecutors: 2 } },
      updateMask: { paths: ['delivery'] },
    };
    await client.updateIntegration(lowered);
    const name = topics.messages(id).name;
    assert.ok((await bus.listTopics()).includes(name));
    await client.deleteIntegration({ id });
    await waitUntil('tombstones', () => downlink.generations(`${id}/1`).length === 3);
    assert.deepEqual(downlink.generations(id), [1, 2, 0]);
    assert.deepEqual(downlink.generations(`${id}/1`), [1, 2, 0]);
    assert.deepEqual(downlink.generations(`${id}/2`), [1, 0]);
    await waitUntil('the topic is gone', async () => !(await bus.listTopics()).includes(name), 30_000);
    assert.equal((await rpcRejection(() => client.getIntegration({ id }))).code, Code.NOT_FOUND);
  });
});
