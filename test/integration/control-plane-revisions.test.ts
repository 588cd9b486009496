import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toJsonString } from '@bufbuild/protobuf';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { Role } from '../../gen/penstock/v1/access_pb.ts';
import {
  type Revision,
  RevisionChange,
  RevisionChangeSchema,
  RevisionSchema,
} from '../../gen/penstock/v1/revision_service_pb.ts';
import { hashOfToken } from '../../src/contract/api-token.ts';
import { Database } from '../../src/control-plane/store/database.ts';
import { deleteOldRevisions } from '../../src/control-plane/store/revisions.ts';
import { controlPlaneForTests, executorForTests, HTTP, HTTP_WITH_SECRET } from '../helpers/control-plane.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const BOOTSTRAP = 'a-token-of-the-settings-long-enough';
const UNKNOWN = '6f3c1f0e-8b0a-4e57-9c5b-0f6f2f5c9a11';

const brief = ({ generation, change, caller }: Revision) =>
  `${generation} ${RevisionChangeSchema.value[change]?.localName} ${caller}`;

test('each change of an integration is a revision, with who made it and without secrets', {
  timeout: 120_000,
}, async (t) => {
  const access = { isLoginRequired: true, bootstrapHash: () => hashOfToken(BOOTSTRAP) };
  const controlPlane = await controlPlaneForTests(t, { access });
  const { client, revisions, tokens, postgresUrl } = controlPlane;
  await executorForTests(t, controlPlane);
  const admin = { token: BOOTSTRAP };
  const editor = {
    token: (await tokens.createToken({ token: { name: 'deployer', role: Role.EDITOR } }, admin)).value,
  };
  const create = async (integration: object) =>
    (await client.createIntegration({ integration }, admin)).integration!;
  const update = async (id: string, integration: object, paths: string[]) =>
    (await client.updateIntegration({ integration: { id, ...integration }, updateMask: { paths } }, editor))
      .integration!;
  const list = async (integrationId: string, pageSize = 0, pageToken = '') =>
    await revisions.listRevisions({ integrationId, pageSize, pageToken }, admin);

  const made = await create({ ...HTTP_WITH_SECRET, name: 'one', labels: { team: 'a' } });
  const { id } = made;
  const named = await update(id, { name: 'two', labels: {} }, ['name', 'labels']);

  await t.test('the newest first, whoever made it and however', async () => {
    await client.disableIntegration({ id }, editor);
    await client.disableIntegration({ id }, editor); // changes nothing
    await client.enableIntegration({ id }, admin);
    await client.restartIntegration({ id }, editor);
    await update(id, { name: 'three', enabled: false }, ['name', 'enabled']);
    await client.updateIntegration(
      { integration: { id, name: 'x' }, updateMask: { paths: ['name'] }, validateOnly: true },
      admin,
    );
    const { revisions: found, nextPageToken } = await list(id);
    assert.deepEqual(found.map(brief), [
      '6 UPDATED deployer',
      '5 RESTARTED deployer',
      '4 ENABLED bootstrap',
      '3 DISABLED deployer',
      '2 UPDATED deployer',
      '1 CREATED bootstrap',
    ]);
    assert.equal(nextPageToken, '');
    assert.deepEqual(found.map(({ time, integration }) => [time, integration?.name]).slice(4), [
      [named.updateTime, 'two'],
      [made.updateTime, 'one'],
    ]);
    const first = found.at(-1)!.integration!;
    assert.deepEqual(first.labels, { team: 'a' });
    assert.deepEqual([first.setSecrets, first.status, first.etag], [made.setSecrets, undefined, '']);
    assert.ok(made.setSecrets.length > 0);
    for (const one of found) assert.doesNotMatch(toJsonString(RevisionSchema, one), /hunter2/);
  });

  await t.test('page by page, or one', async () => {
    const first = await list(id, 4);
    await update(id, { name: 'four' }, ['name']);
    const second = await list(id, 4, first.nextPageToken);
    assert.deepEqual(
      [...first.revisions, ...second.revisions].map(({ generation }) => Number(generation)),
      [6, 5, 4, 3, 2, 1],
    );
    assert.equal(second.nextPageToken, '');
    const other = await create(HTTP);
    assert.deepEqual((await rpcRejection(() => list(other.id, 4, first.nextPageToken))).fields, [
      'page_token',
    ]);
    const { revision } = await revisions.getRevision({ integrationId: id, generation: 2n }, admin);
    assert.deepEqual(revision, second.revisions[0]);
    for (const [integrationId, generation] of [
      [id, 99n],
      [UNKNOWN, 1n],
    ] as const) {
      const { code } = await rpcRejection(() => revisions.getRevision({ integrationId, generation }, admin));
      assert.equal(code, Code.NOT_FOUND);
    }
    assert.equal((await rpcRejection(() => list(UNKNOWN))).code, Code.NOT_FOUND);
  });

  await t.test('a revision can be given to UpdateIntegration, which keeps the secrets', async () => {
    const { revision } = await revisions.getRevision({ integrationId: id, generation: 1n }, admin);
    const { integration } = await client.updateIntegration({ integration: revision!.integration! }, admin);
    assert.deepEqual(
      [integration?.name, integration?.labels, integration?.enabled, integration?.setSecrets],
      ['one', { team: 'a' }, true, made.setSecrets],
    );
  });

  await t.test('those of a deleted integration are kept for a while', async () => {
    await using db = new Database(postgresUrl, controlPlane);
    await client.deleteIntegration({ id }, editor);
    const [last, before] = (await list(id)).revisions;
    assert.deepEqual([brief(last!), brief(before!)], ['9 DELETED deployer', '8 UPDATED bootstrap']);
    assert.deepEqual(last?.integration, before?.integration);
    assert.ok(last?.time && last.time.seconds >= before!.time!.seconds);
    const other = await create(HTTP);
    assert.equal(await deleteOldRevisions(db, 60_000, 100), 0);
    assert.equal((await list(id)).revisions.length, 9);
    await db.query("update integration_revisions set delete_time = delete_time - interval '1 hour'");
    assert.equal(await deleteOldRevisions(db, 60_000, 4), 4);
    assert.equal(await deleteOldRevisions(db, 60_000, 100), 5);
    assert.equal((await rpcRejection(() => list(id))).code, Code.NOT_FOUND);
    assert.equal((await list(other.id)).revisions.length, 1);
  });

  await t.test('the last hundred of each, and none of what a version without revisions did', async () => {
    await using db = new Database(postgresUrl, controlPlane);
    const busy = await create(HTTP);
    const calm = await create(HTTP);
    for (let n = 0; n < 51; n++) {
      await client.disableIntegration({ id: busy.id }, admin);
      await client.enableIntegration({ id: busy.id }, admin);
    }
    const kept = await list(busy.id, 100);
    assert.equal(kept.nextPageToken, '');
    const generations = kept.revisions.map(({ generation }) => Number(generation));
    assert.deepEqual(
      generations,
      Array.from({ length: 100 }, (_, n) => 103 - n),
    );
    assert.equal((await list(calm.id)).revisions.length, 1);

    await db.query('delete from integration_revisions where integration_id = $1', [calm.id]);
    assert.deepEqual((await list(calm.id)).revisions, []);
    await client.disableIntegration({ id: calm.id }, admin);
    assert.deepEqual(
      (await list(calm.id)).revisions.map(({ change }) => change),
      [RevisionChange.DISABLED],
    );
    // As a version without revisions deletes it.
    await db.query('delete from integrations where id = $1', [calm.id]);
    await db.query("update integration_revisions set delete_time = delete_time - interval '1 hour'");
    assert.equal(await deleteOldRevisions(db, 60_000, 100), 1);
  });

  await t.test('there is no change without its revision, and no revision without its change', async () => {
    await using db = new Database(postgresUrl, controlPlane);
    const one = await create({ ...HTTP, name: 'before' });
    const state = async () => {
      const { integration } = await client.getIntegration({ id: one.id }, admin);
      return [integration?.name, (await list(one.id)).revisions.length];
    };
    for (const table of ['integration_revisions', 'outbox']) {
      await db.query(`alter table ${table} add constraint full_disk check (false) not valid`);
      assert.equal((await rpcRejection(() => update(one.id, { name: 'x' }, ['name']))).code, Code.INTERNAL);
      assert.equal((await rpcRejection(() => create({ ...HTTP, name: 'x' }))).code, Code.INTERNAL);
      assert.equal(
        (await rpcRejection(() => client.deleteIntegration({ id: one.id }, admin))).code,
        Code.INTERNAL,
      );
      await db.query(`alter table ${table} drop constraint full_disk`);
      assert.deepEqual(await state(), ['before', 1], table);
    }
    const { totalSize } = await client.listIntegrations({ filter: { text: 'x' } }, admin);
    assert.equal(totalSize, 0);
  });

  await t.test('a control plane removes those that are older than events are kept', async () => {
    const gone = await create(HTTP);
    const there = await create(HTTP);
    await client.deleteIntegration({ id: gone.id }, admin);
    await controlPlaneForTests(t, { serviceId: 'cp2', postgresUrl, eventsTtl: 1 }, controlPlane);
    await waitUntil('they are gone', () =>
      list(gone.id).then(
        () => false,
        () => true,
      ),
    );
    assert.equal((await list(there.id)).revisions.length, 1);
  });
});
