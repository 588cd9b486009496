import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { Role } from '../../gen/penstock/v1/access_pb.ts';
import {
  IntegrationView,
  type WatchIntegrationsResponse,
} from '../../gen/penstock/v1/integration_service_pb.ts';
import type { WatchResponse } from '../../gen/penstock/v1/watch_service_pb.ts';
import { report } from '../helpers/reports.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { asAdmin, INSIDE, OUTSIDE, scopedSystem } from '../helpers/scoped.ts';
import { collect } from '../helpers/stream.ts';
import { waitUntil } from '../helpers/wait-until.ts';

test('what comes into a scope and what leaves it', { timeout: 240_000 }, async (t) => {
  const system = await scopedSystem(t);
  const { client, replays, events, revisions, executor, made, rename, said, tokenOf, watch } = system;
  const editor = await tokenOf(Role.EDITOR);
  const rejection = (call: Promise<unknown>) => rpcRejection(() => call);

  await t.test('pages and totals are those of the scope, and a page token is good in it alone', async () => {
    await made(OUTSIDE);
    const ids: string[] = [];
    for (const name of ['North a', 'North b', 'North c']) {
      ids.push((await made({ ...INSIDE, name })).id);
      await made({ ...OUTSIDE, name });
      await made({ ...OUTSIDE, name, labels: {} });
      await made({ ...INSIDE, name: name.toLowerCase() });
    }
    await client.deleteIntegration({ id: (await made({ ...INSIDE, name: 'x' })).id }, asAdmin);
    const energy = await tokenOf(Role.VIEWER, { labels: { site: 'a', team: 'energy' } });
    for (const [as, pages] of [
      [await tokenOf(Role.VIEWER, { namePrefix: 'North ', labels: { site: 'a' } }), 3],
      [energy, 6],
    ] as const) {
      for (const orderBy of ['', 'name desc', 'update_time']) {
        const seen: string[] = [];
        for (let pageToken = ''; ; ) {
          const page = await client.listIntegrations({ pageSize: 1, pageToken, orderBy }, as);
          assert.equal(page.totalSize, pages);
          seen.push(...page.integrations.map(({ id }) => id));
          pageToken = page.nextPageToken;
          if (pageToken === '') break;
        }
        assert.equal(new Set(seen).size, pages);
        assert.ok(ids.every((id) => seen.includes(id)));
      }
    }
    for (const others of [asAdmin, energy]) {
      const { nextPageToken } = await client.listIntegrations({ pageSize: 1 }, others);
      const { fields } = await rejection(
        client.listIntegrations({ pageSize: 1, pageToken: nextPageToken }, editor),
      );
      assert.deepEqual(fields, ['page_token']);
    }
  });

  await t.test('a request id of another caller tells nothing, and makes what it would make', async () => {
    const requestId = randomUUID();
    const first = await client.createIntegration({ integration: OUTSIDE, requestId }, asAdmin);
    const others = { integration: { ...INSIDE, name: 'East 1' }, requestId };
    const east = await tokenOf(Role.EDITOR, { namePrefix: 'East' });
    const second = await client.createIntegration({ integration: INSIDE, requestId }, editor);
    const third = await client.createIntegration(others, east);
    const ids = [first, second, third].map(({ integration }) => integration!.id);
    assert.equal(new Set(ids).size, 3);
    const repeated = await client.createIntegration(
      { integration: INSIDE, requestId: requestId.toUpperCase() },
      editor,
    );
    assert.equal(repeated.integration?.id, ids[1], 'and repeated it makes no other');
    await rename(ids[1]!, { name: 'South 2', labels: {} });
    const gone = await rejection(client.createIntegration({ integration: INSIDE, requestId }, editor));
    assert.deepEqual([gone.code, gone.reason], [Code.NOT_FOUND, 'NOT_FOUND']);
  });

  await t.test('an update must not leave the scope, nor can one take what is outside into it', async () => {
    const { id } = await made();
    const name = async (next: string, labels: Record<string, string>, as = editor) =>
      client.updateIntegration({ integration: { ...INSIDE, id, name: next, labels } }, as);
    for (const [next, labels] of [
      ['South', INSIDE.labels],
      ['North', INSIDE.labels],
      [INSIDE.name, {}],
      [INSIDE.name, { team: 'water' }],
    ] as const) {
      for (const validateOnly of [false, true]) {
        const integration = { ...INSIDE, id, name: next, labels: { ...labels } };
        const refused = await rejection(client.updateIntegration({ integration, validateOnly }, editor));
        assert.deepEqual([refused.code, refused.reason], [Code.PERMISSION_DENIED, 'OUT_OF_SCOPE'], next);
      }
    }
    await name('North of it', INSIDE.labels);
    await name('South', {}, asAdmin);
    assert.equal((await rejection(name('North', INSIDE.labels))).code, Code.NOT_FOUND);
    const { integration } = await client.getIntegration({ id }, asAdmin);
    assert.equal(integration?.name, 'South');
  });

  await t.test('one that leaves the scope while an update is checked is not changed', async () => {
    const { id } = await made();
    executor.answer = () => ({ reachable: true });
    let left: Promise<unknown> | undefined;
    executor.answer = ({ integration }) => {
      if (integration?.id !== id || integration.description !== 'changed') return { reachable: true };
      left ??= rename(id, { name: 'South 3', labels: {} });
      return undefined; // the answer comes once it has left
    };
    const change = rejection(
      client.updateIntegration(
        { integration: { id, description: 'changed' }, updateMask: { paths: ['description'] } },
        editor,
      ),
    );
    await waitUntil('the executor is asked', () => left !== undefined);
    await left;
    executor.answer = () => ({ reachable: true });
    // It is asked again in a while, since it may not have heard.
    const { code } = await change;
    assert.equal(code, Code.NOT_FOUND);
    const { integration } = await client.getIntegration({ id }, asAdmin);
    assert.deepEqual([integration?.name, integration?.description], ['South 3', '']);
  });

  await t.test('a watch tells of what comes and goes, and of what is outside nothing', async () => {
    const { id } = await made({ ...INSIDE, name: 'North w' });
    const other = await made(OUTSIDE);
    const { got } = collect<WatchIntegrationsResponse>(t, (as) =>
      client.watchIntegrations({}, { ...as, ...editor }),
    );
    const basic = { integrations: {}, view: IntegrationView.BASIC };
    const whole = collect(t, (as) => watch.watch(basic, { ...as, ...editor }));
    const ofOne = () => got.filter(({ integration }) => integration?.id === id);
    const last = () => ofOne().at(-1);
    await waitUntil('it is told of', () => ofOne().length === 1);
    const secret = 'of a team that nobody is to know';
    await rename(id, { name: secret, labels: {} });
    await waitUntil('it is told as gone', () => last()?.deleted === true);
    assert.deepEqual([last()?.integration?.name, last()?.integration?.topicFilters], ['', []]);
    const told = ofOne().length;
    await client.disableIntegration({ id }, asAdmin);
    await client.deleteIntegration({ id: other.id }, asAdmin);
    await sleep(1500); // nothing of it comes
    assert.equal(ofOne().length, told);
    await rename(id, { name: 'North again', labels: INSIDE.labels });
    await waitUntil('it is told as it is', () => last()?.integration?.name === 'North again');
    await client.deleteIntegration({ id }, asAdmin);
    await waitUntil('it is told as deleted', () => last()?.deleted === true);
    assert.equal(last()?.integration?.name, 'North again');
    assert.ok(!got.some(({ integration }) => integration?.id === other.id || integration?.name === secret));
    const brief = (all: readonly WatchIntegrationsResponse[]) =>
      all.map(({ integration, deleted }) => [integration?.id, integration?.name, deleted]);
    const inWhole = () => whole.got.flatMap(({ integrations }) => integrations);
    await waitUntil('one stream of all tells the same', () => inWhole().at(-1)?.deleted === true);
    assert.deepEqual(brief(inWhole()), brief(got));
  });

  await t.test(
    'of one that leaves the scope and is deleted in one moment no more than the id is told',
    async () => {
      const { id } = await made({ ...INSIDE, name: 'North x' });
      const { got } = collect<WatchIntegrationsResponse>(t, (as) =>
        client.watchIntegrations({}, { ...as, ...editor }),
      );
      const ofOne = () => got.filter(({ integration }) => integration?.id === id);
      await waitUntil('it is told of', () => ofOne().length === 1);
      await rename(id, { name: 'South x', labels: {} });
      await client.deleteIntegration({ id }, asAdmin);
      await waitUntil('it is told as gone', () => ofOne().at(-1)?.deleted === true);
      assert.ok(!got.some(({ integration }) => integration?.name === 'South x'));
    },
  );

  await t.test('what is kept of a deleted one is for callers without a scope', async () => {
    const { id } = await made({ ...INSIDE, name: 'North y' });
    await said(report(id));
    const eventsOf = async (as: object) =>
      (await events.listEvents({ filter: { integrationId: id } }, as)).events.length;
    await waitUntil('there is an event', async () => (await eventsOf(editor)) > 0);
    const { replay } = await replays.startReplay({ integrationId: id }, editor);
    assert.equal((await revisions.listRevisions({ integrationId: id }, editor)).revisions.length, 1);
    await client.deleteIntegration({ id }, editor);
    assert.ok((await eventsOf(asAdmin)) > 0);
    assert.equal(await eventsOf(editor), 0);
    assert.ok(
      !(await events.listEvents({}, editor)).events.some(({ integrationId }) => integrationId === id),
    );
    for (const call of [
      (as: object) => revisions.listRevisions({ integrationId: id }, as),
      (as: object) => revisions.getRevision({ integrationId: id, generation: 1n }, as),
      (as: object) => replays.getReplay({ id: replay!.id }, as),
    ]) {
      await call(asAdmin);
      assert.equal((await rejection(call(editor))).code, Code.NOT_FOUND);
    }
  });

  await t.test('a replay that another caller started is not answered for its request id', async () => {
    const { id } = await made(OUTSIDE);
    const requestId = randomUUID();
    await replays.startReplay({ integrationId: id, requestId }, asAdmin);
    const mine = (await made()).id;
    const refused = await rejection(replays.startReplay({ integrationId: mine, requestId }, editor));
    assert.deepEqual([refused.code, refused.reason], [Code.PERMISSION_DENIED, 'OUT_OF_SCOPE']);
    assert.ok(!refused.message.includes(id));
    const own = randomUUID();
    const request = { integrationId: mine, requestId: own };
    const { replay } = await replays.startReplay(request, editor);
    assert.deepEqual([(await replays.startReplay(request, editor)).replay?.id, replay?.id], [own, own]);
  });

  await t.test('replays are told to whoever may know of both of their integrations', async (part) => {
    const [inside, outside] = [(await made()).id, (await made(OUTSIDE)).id];
    const pairs = [
      [outside, outside],
      [inside, outside],
      [outside, inside],
      [inside, inside],
    ] as const;
    const ids: string[] = [];
    const begin = async () => {
      for (const [integrationId, targetIntegrationId] of pairs)
        ids.push((await replays.startReplay({ integrationId, targetIntegrationId }, asAdmin)).replay!.id);
    };
    const toldTo = (as: object) =>
      collect<WatchResponse>(part, (options) => watch.watch({ jobs: true }, { ...options, ...as }));
    const [mine, all] = [toldTo(editor), toldTo(asAdmin)];
    const idsOf = ({ got }: typeof mine) =>
      new Set(got.flatMap(({ jobs }) => jobs.map(({ job }) => job.value!.id)));
    await waitUntil('both watch', () => [mine, all].every(({ got }) => got.some(({ synced }) => synced)));
    await begin();
    await begin(); // the last is one that the scope has: all before were told by then
    await waitUntil('all are told', () => idsOf(all).size >= 8 && idsOf(mine).has(ids[7]!));
    assert.deepEqual(
      [...idsOf(mine)].filter((id) => ids.includes(id)),
      [ids[3], ids[7]],
    );
  });

  await t.test(
    'a configuration that is not saved is checked for editors, of one that is saved inside',
    async () => {
      const operator = await tokenOf(Role.OPERATOR);
      const check = (value: object, as: object) =>
        rejection(client.checkConnection({ target: { case: 'integration', value } }, as));
      assert.equal((await check(INSIDE, operator)).reason, 'ROLE_NEEDED');
      const outside = await made(OUTSIDE);
      const [known, unknown] = [outside.id, randomUUID()];
      const answers = await Promise.all(
        [known, unknown].map(async (id) => {
          const { code, message } = await check({ ...INSIDE, id }, editor);
          return [code, message.replace(id, '')];
        }),
      );
      assert.deepEqual(answers[0], answers[1]);
      assert.equal(answers[0]?.[0], Code.NOT_FOUND);
      const { id } = await made();
      const saved = { case: 'integration' as const, value: { id, configuration: INSIDE.configuration } };
      assert.equal((await client.checkConnection({ target: saved }, editor)).reachable, true);
    },
  );
});
