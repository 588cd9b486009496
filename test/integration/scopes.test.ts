import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { DescMethod } from '@bufbuild/protobuf';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { Role, RoleSchema } from '../../gen/penstock/v1/access_pb.ts';
import type { Node } from '../../gen/penstock/v1/cluster_service_pb.ts';
import { RedriveState } from '../../gen/penstock/v1/dead_letter_service_pb.ts';
import type { CallOptions } from '../../src/rpc/grpcjs.ts';
import { POLICY } from '../../src/rpc/policy.ts';
import { giveUp, publish } from '../helpers/messages.ts';
import { report } from '../helpers/reports.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import {
  asAdmin,
  drained,
  INSIDE,
  OF_ANOTHER_TEAM,
  OUTSIDE,
  type ScopedSystem,
  scopedSystem,
  WARNING,
} from '../helpers/scoped.ts';
import { waitUntil } from '../helpers/wait-until.ts';

/** What a call is about: an integration, and a replay and a redrive of it. */
interface Target {
  readonly id: string;
  readonly replayId: string;
  readonly redriveId: string;
  /** Of the integration, or of what is to be made. */
  readonly draft: typeof INSIDE;
}

type Call = (system: ScopedSystem, target: Target, as: CallOptions) => Promise<unknown>;

/** How an RPC keeps to a scope. */
type Row =
  /** It is about one integration: outside, it answers as for one that is not there. */
  | { readonly one: Call }
  /** It would make one: outside, it is refused. */
  | { readonly makes: Call; readonly role?: Role }
  /** It answers ids: those inside, none of those outside. */
  | {
      readonly list: (
        system: ScopedSystem,
        as: CallOptions,
        all: readonly Target[],
      ) => Promise<readonly string[]>;
    }
  /** Why there is nothing of any integration in it. */
  | { readonly none: string };

/** The first ids of a stream, until that of the last one made, which is inside, has come so often. */
async function until<T>(
  stream: (signal: AbortSignal) => AsyncIterable<T>,
  idsOf: (one: T) => string | undefined | readonly string[],
  last: string,
  times = 1,
): Promise<string[]> {
  const ids: string[] = [];
  const leaving = AbortSignal.timeout(20_000);
  for await (const one of stream(leaving)) {
    ids.push(...[idsOf(one) ?? []].flat());
    if (ids.filter((id) => id === last).length >= times) return ids;
  }
  return ids;
}

const lastOf = (all: readonly Target[]) => all.at(-1)!.id;

/** A redrive, which is over: no other call about the dead letters is refused for it. */
async function redriven({ deadLetters }: ScopedSystem, integrationId: string, as: CallOptions) {
  const { redrive } = await deadLetters.startRedrive({ integrationId }, as);
  const { id } = redrive!;
  await waitUntil(
    'it is over',
    async () => (await deadLetters.getRedrive({ id }, as)).redrive?.state !== RedriveState.RUNNING,
  );
  return id;
}

const ROWS: Readonly<Record<string, readonly Row[]>> = {
  'IntegrationService/CreateIntegration': [
    { makes: ({ client }, { draft }, as) => client.createIntegration({ integration: draft }, as) },
    {
      makes: ({ client }, { draft }, as) =>
        client.createIntegration({ integration: draft, validateOnly: true }, as),
    },
  ],
  'IntegrationService/GetIntegration': [
    { one: ({ client }, { id }, as) => client.getIntegration({ id }, as) },
  ],
  'IntegrationService/ListIntegrations': [
    {
      list: async ({ client }, as) =>
        (await client.listIntegrations({}, as)).integrations.map(({ id }) => id),
    },
    {
      list: async ({ client }, as) =>
        (
          await client.listIntegrations({ filter: { text: 'n', labels: { team: 'energy' } } }, as)
        ).integrations.map(({ id }) => id),
    },
  ],
  'IntegrationService/UpdateIntegration': [
    {
      one: ({ client }, { id }, as) =>
        client.updateIntegration(
          { integration: { id, description: randomUUID() }, updateMask: { paths: ['description'] } },
          as,
        ),
    },
    {
      one: ({ client }, { id }, as) =>
        client.updateIntegration(
          { integration: { id, etag: 'x' }, updateMask: { paths: ['description'] }, validateOnly: true },
          as,
        ),
    },
  ],
  'IntegrationService/DeleteIntegration': [
    { one: ({ client }, { id }, as) => client.deleteIntegration({ id }, as) },
  ],
  'IntegrationService/EnableIntegration': [
    { one: ({ client }, { id }, as) => client.enableIntegration({ id }, as) },
  ],
  'IntegrationService/DisableIntegration': [
    { one: ({ client }, { id }, as) => client.disableIntegration({ id }, as) },
  ],
  'IntegrationService/RestartIntegration': [
    { one: ({ client }, { id }, as) => client.restartIntegration({ id }, as) },
  ],
  'IntegrationService/CheckConnection': [
    { one: ({ client }, { id }, as) => client.checkConnection({ target: { case: 'id', value: id } }, as) },
    {
      makes: ({ client }, { draft }, as) =>
        client.checkConnection({ target: { case: 'integration', value: draft } }, as),
      role: Role.EDITOR,
    },
  ],
  'IntegrationService/TryDelivery': [
    {
      one: ({ client }, { id }, as) =>
        client.tryDelivery({ target: { case: 'id', value: id }, envelope: { topicName: 'a' } }, as),
    },
    {
      makes: ({ client }, { draft }, as) =>
        client.tryDelivery(
          { target: { case: 'integration', value: draft }, envelope: { topicName: 'a' } },
          as,
        ),
      role: Role.EDITOR,
    },
  ],
  'IntegrationService/WatchIntegrations': [
    {
      list: ({ client }, as, all) =>
        until(
          (signal) => client.watchIntegrations({}, { ...as, signal }),
          ({ integration }) => integration?.id,
          lastOf(all),
        ),
    },
  ],
  'RevisionService/ListRevisions': [
    { one: ({ revisions }, { id }, as) => revisions.listRevisions({ integrationId: id }, as) },
  ],
  'RevisionService/GetRevision': [
    { one: ({ revisions }, { id }, as) => revisions.getRevision({ integrationId: id, generation: 1n }, as) },
  ],
  'EventService/ListEvents': [
    {
      list: async ({ events }, as) =>
        (await events.listEvents({}, as)).events.map(({ integrationId }) => integrationId),
    },
    {
      list: async ({ events }, as, all) => {
        const found = await Promise.all(
          all.map(({ id }) => events.listEvents({ filter: { integrationId: id }, pageSize: 1 }, as)),
        );
        // One that is not there has no next page either.
        return found.flatMap((page) => [
          page.nextPageToken,
          ...page.events.map(({ integrationId }) => integrationId),
        ]);
      },
    },
  ],
  'EventService/WatchEvents': [false, true].map((isOfOne) => ({
    list: async ({ events, said }, as, all) => {
      const telling = setInterval(() => void Promise.all(all.map(({ id }) => said(report(id)))), 300);
      const watch = (integrationId: string) =>
        until(
          (signal) => events.watchEvents({ filter: { integrationId } }, { ...as, signal }),
          ({ event }) => event?.integrationId,
          lastOf(all),
          3,
        );
      return await watch(isOfOne ? lastOf(all) : '').finally(() => clearInterval(telling));
    },
  })),
  'WatchService/Watch': [
    {
      list: async ({ watch }, as, all) =>
        (
          await until(
            (signal) => watch.watch({ integrations: {} }, { ...as, signal }),
            ({ integrations }) => integrations.map(({ integration }) => integration!.id),
            lastOf(all),
          )
        ).flat(),
    },
    ...[false, true].map((isOfOne) => ({
      list: async ({ watch, said }: ScopedSystem, as: CallOptions, all: readonly Target[]) => {
        const telling = setInterval(() => void Promise.all(all.map(({ id }) => said(report(id)))), 300);
        const integrationId = isOfOne ? lastOf(all) : '';
        const told = until(
          (signal) => watch.watch({ events: { integrationId } }, { ...as, signal }),
          ({ events }) => events.map((event) => event.integrationId),
          lastOf(all),
          3,
        );
        return (await told.finally(() => clearInterval(telling))).flat();
      },
    })),
  ],
  'StatisticsService/QueryStatistics': [
    { one: ({ statistics }, { id }, as) => statistics.queryStatistics({ integrationIds: [id] }, as) },
    {
      one: async ({ statistics, made }, { id }, as) =>
        statistics.queryStatistics({ integrationIds: [(await made()).id, id] }, as),
    },
  ],
  'StatisticsService/ListFigures': [false, true].map((isOfThese) => ({
    list: async ({ statistics }, as, all) => {
      const integrationIds = isOfThese ? all.map(({ id }) => id) : [];
      const { figures } = await statistics.listFigures({ integrationIds, pageSize: 1000 }, as);
      return figures.map(({ integrationId }) => integrationId);
    },
  })),
  'MessageLogService/ListMessages': [
    { one: ({ messageLog }, { id }, as) => messageLog.listMessages({ integrationId: id }, as) },
  ],
  'MessageLogService/GetMessage': [
    {
      one: async (system, { id }, as) => {
        await publish(system, id, [0, 1]).catch(() => {}); // one that is not there has no topic
        return system.messageLog.getMessage({ integrationId: id, id: '0-0' }, as);
      },
    },
  ],
  'MessageLogService/WatchMessages': [
    {
      async one({ messageLog }, { id }, as) {
        for await (const { live } of messageLog.watchMessages({ integrationId: id }, as)) if (live) return;
      },
    },
  ],
  'DeadLetterService/ListDeadLetters': [
    { one: ({ deadLetters }, { id }, as) => deadLetters.listDeadLetters({ integrationId: id }, as) },
  ],
  'DeadLetterService/RedriveDeadLetters': [
    {
      one: ({ deadLetters }, { id }, as) =>
        drained(deadLetters.redriveDeadLetters({ integrationId: id }, as)),
    },
  ],
  'DeadLetterService/PurgeDeadLetters': [
    { one: ({ deadLetters }, { id }, as) => deadLetters.purgeDeadLetters({ integrationId: id }, as) },
  ],
  'DeadLetterService/StartRedrive': [
    {
      one: ({ deadLetters }, { id }, as) =>
        deadLetters.startRedrive({ integrationId: id, validateOnly: true }, as),
    },
    { one: (system, { id }, as) => redriven(system, id, as) },
  ],
  'DeadLetterService/GetRedrive': [
    { one: ({ deadLetters }, { redriveId }, as) => deadLetters.getRedrive({ id: redriveId }, as) },
  ],
  'DeadLetterService/ListRedrives': [
    {
      list: async ({ deadLetters }, as) =>
        (await deadLetters.listRedrives({}, as)).redrives.map(({ integrationId }) => integrationId),
    },
    {
      list: async ({ deadLetters }, as, all) => {
        const found = await Promise.all(
          all.map(({ id }) => deadLetters.listRedrives({ integrationId: id }, as)),
        );
        return found.flatMap((page) => page.redrives.map(({ integrationId }) => integrationId));
      },
    },
  ],
  'DeadLetterService/CancelRedrive': [
    { one: ({ deadLetters }, { redriveId }, as) => deadLetters.cancelRedrive({ id: redriveId }, as) },
  ],
  'ReplayService/StartReplay': [
    { one: ({ replays }, { id }, as) => replays.startReplay({ integrationId: id }, as) },
    {
      one: async ({ replays, made }, { id }, as) =>
        replays.startReplay({ integrationId: (await made()).id, targetIntegrationId: id }, as),
    },
  ],
  'ReplayService/GetReplay': [
    { one: ({ replays }, { replayId }, as) => replays.getReplay({ id: replayId }, as) },
  ],
  'ReplayService/ListReplays': [
    {
      list: async ({ replays }, as) =>
        (await replays.listReplays({}, as)).replays.flatMap((one) => [
          one.integrationId,
          one.targetIntegrationId,
        ]),
    },
    {
      list: async ({ replays }, as, all) => {
        const found = await Promise.all(all.map(({ id }) => replays.listReplays({ integrationId: id }, as)));
        return found.flatMap((page) => page.replays.map(({ integrationId }) => integrationId));
      },
    },
  ],
  'ReplayService/CancelReplay': [
    { one: ({ replays }, { replayId }, as) => replays.cancelReplay({ id: replayId }, as) },
  ],
  'ClusterService/ListNodes': [
    {
      list: async ({ cluster }, as) =>
        (await cluster.listNodes({}, as)).nodes.flatMap(({ integrationIds, integrations, warnings }) => {
          assert.equal(integrations, integrationIds.length);
          return [...integrationIds, ...warnings];
        }),
    },
  ],
  'SystemService/GetSystem': [{ none: 'about the system' }],
  'AuthService/GetLoginMethods': [{ none: 'how callers log in' }],
  'AuthService/CreateSession': [{ none: 'about who calls' }],
  'AuthService/DeleteSession': [{ none: 'about who calls' }],
  'AuthService/GetSelf': [{ none: 'about who calls' }],
  'AuthService/ChangePassword': [{ none: 'about who calls' }],
  'Health/Check': [{ none: 'about the node' }],
  'Health/List': [{ none: 'about the node' }],
  'Health/Watch': [{ none: 'about the node' }],
  'ServerReflection/ServerReflectionInfo': [{ none: 'about the schema' }],
};

/** After these calls others would be answered otherwise. */
const ENDS = ['DeleteIntegration', 'DisableIntegration'];

const nameOf = ({ parent, name }: DescMethod) => `${parent.name}/${name}`;
const SCOPED_ROLES = [Role.VIEWER, Role.OPERATOR, Role.EDITOR];
const textOf = (role: Role) => RoleSchema.value[role]!.localName;

/** What a call comes to, without the ids that it was called with. */
async function outcomeOf(call: Promise<unknown>, { id, replayId, redriveId }: Target): Promise<unknown> {
  const { code, message, reason, fields } = await rpcRejection(() => call);
  const named = [id, replayId, redriveId].reduce((text, one) => text.replaceAll(one, 'ID'), message);
  return { code, reason, fields, message: named };
}

test('the table has every RPC that a caller with a scope may call, and no other', () => {
  const methods = [...POLICY].filter(([, rule]) => !rule.isWhole).map(([method]) => nameOf(method));
  assert.deepEqual(Object.keys(ROWS).toSorted(), [...new Set(methods)].toSorted());
});

test('callers with a scope and what they call', { timeout: 240_000 }, async (t) => {
  const system = await scopedSystem(t);
  const { replays, events, cluster, made, said, tokenOf, deadLetters } = system;
  const target = async (draft: typeof INSIDE | typeof OUTSIDE): Promise<Target> => {
    const { id } = await made(draft);
    const { replay } = await replays.startReplay({ integrationId: id }, asAdmin);
    const redriveId = await redriven(system, id, asAdmin);
    await said(report(id));
    await giveUp(system, id, [0, 1]);
    return { id, replayId: replay!.id, redriveId, draft: draft as typeof INSIDE };
  };
  const outside = [await target(OUTSIDE), await target(OF_ANOTHER_TEAM as unknown as typeof INSIDE)];
  // It begins or ends outside: the one inside alone does not make it known.
  const inside = await target(INSIDE);
  const crossing = await replays.startReplay(
    { integrationId: outside[0]!.id, targetIntegrationId: inside.id },
    asAdmin,
  );
  const crossed = { ...outside[0]!, replayId: crossing.replay!.id };
  const nothing: Target = {
    id: randomUUID(),
    replayId: randomUUID(),
    redriveId: randomUUID(),
    draft: INSIDE,
  };
  const all = [...outside, inside];
  await waitUntil('all of it is known', async () => {
    const nodes = (await cluster.listNodes({}, asAdmin)).nodes.flatMap(
      ({ integrationIds }) => integrationIds,
    );
    const found = (await events.listEvents({}, asAdmin)).events.map(({ integrationId }) => integrationId);
    return all.every(({ id }) => nodes.includes(id) && found.includes(id));
  });

  for (const [method, rule] of POLICY) {
    if (rule.isWhole) continue;
    for (const role of SCOPED_ROLES.filter((one) => one >= rule.role!)) {
      const as = await tokenOf(role);
      for (const [i, row] of ROWS[nameOf(method)]!.entries()) {
        const what = `${nameOf(method)} (${i}) as ${textOf(role)}`;
        if ('one' in row) {
          await t.test(`${what}: one inside, and outside as one that is not there`, async () => {
            const unknown = await outcomeOf(row.one(system, nothing, as), nothing);
            for (const one of [...outside, crossed]) {
              assert.deepEqual(await outcomeOf(row.one(system, one, as), one), unknown);
            }
            await row
              .one(system, ENDS.includes(method.name) ? await target(INSIDE) : inside, as)
              .catch((error) => {
                assert.equal(error.code, Code.ABORTED, error); // of an etag, which is looked at after the scope
              });
          });
        } else if ('makes' in row && role >= (row.role ?? role)) {
          await t.test(`${what}: one inside, and none outside`, async () => {
            await row.makes(system, inside, as);
            for (const one of outside) {
              const { code, reason, message } = await rpcRejection(() => row.makes(system, one, as));
              assert.deepEqual([code, reason], [Code.PERMISSION_DENIED, 'OUT_OF_SCOPE']);
              assert.match(message, /a name that begins with "North " and the label team=energy/);
            }
          });
        } else if ('makes' in row) {
          await t.test(`${what}: not with this role`, async () => {
            const { reason } = await rpcRejection(() => row.makes(system, inside, as));
            assert.equal(reason, 'ROLE_NEEDED');
          });
        } else if ('list' in row) {
          await t.test(`${what}: those inside, and none outside`, async () => {
            const ids = await row.list(system, as, all);
            assert.ok(ids.includes(inside.id));
            assert.deepEqual(
              outside.filter(({ id }) => ids.includes(id)),
              [],
            );
            const everything = await row.list(system, asAdmin, all);
            assert.ok(
              i > 0 || outside.every(({ id }) => everything.includes(id)),
              'else there is nothing to hide',
            );
          });
        }
      }
    }
  }

  await t.test('what was outside is as it was', async () => {
    for (const { id } of outside) {
      const { integration } = await system.client.getIntegration({ id }, asAdmin);
      assert.deepEqual([integration?.generation, integration?.enabled], [1n, true]);
      assert.equal((await deadLetters.listDeadLetters({ integrationId: id }, asAdmin)).totalSize, 1n);
    }
  });

  await t.test('what nodes warn of is not told, for it may name others', async () => {
    const warningsTo = async (as: CallOptions) =>
      (await cluster.listNodes({}, as)).nodes.flatMap(({ warnings }) => warnings);
    assert.deepEqual(await warningsTo(asAdmin), [WARNING]);
    assert.deepEqual(await warningsTo(await tokenOf(Role.EDITOR)), []);
  });

  await t.test('a watch tells of nodes what a list tells the same caller', async () => {
    for (const as of [asAdmin, await tokenOf(Role.VIEWER), asAdmin]) {
      const seen = (nodes: readonly Node[]) =>
        nodes.map(({ integrationIds: _, lastSeenTime: __, ...node }) => node);
      const listed = seen((await cluster.listNodes({}, as)).nodes);
      for await (const { nodes } of system.watch.watch({ nodes: true }, as)) {
        if (nodes.length === 0) continue;
        assert.deepEqual(seen(nodes), listed);
        break;
      }
    }
  });

  await t.test('figures of nodes are not told, for they are of all together', async () => {
    const figuresTo = async (as: CallOptions) =>
      (await cluster.listNodes({}, as)).nodes.filter(({ figures }) => figures !== undefined);
    assert.equal((await figuresTo(asAdmin)).length, 2);
    assert.deepEqual(await figuresTo(await tokenOf(Role.EDITOR)), []);
  });

  await t.test('what concerns all is refused', async () => {
    const as = await tokenOf(Role.EDITOR);
    const { reason } = await rpcRejection(() => system.tokens.listTokens({}, as));
    assert.equal(reason, 'ROLE_NEEDED');
    const { self } = await system.auth.getSelf({}, as);
    const whole = [...POLICY]
      .filter(([, rule]) => rule.isWhole)
      .map(([{ parent, name }]) => `${parent.typeName}/${name}`);
    assert.deepEqual(
      whole.filter((name) => self!.allowedMethods.includes(name)),
      [],
    );
  });
});
