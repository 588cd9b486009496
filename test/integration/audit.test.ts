import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { CallerKind, Role } from '../../gen/penstock/v1/access_pb.ts';
import type { AuditRecord } from '../../gen/penstock/v1/audit_service_pb.ts';
import { AuditService } from '../../gen/penstock/v1/audit_service_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { hashOfToken } from '../../src/contract/api-token.ts';
import { trailOf } from '../../src/control-plane/audit/audit-trail.ts';
import { audited, isAudited } from '../../src/control-plane/audit/audited.ts';
import { listAuditRecords } from '../../src/control-plane/store/audit-records.ts';
import { Database, type Queries } from '../../src/control-plane/store/database.ts';
import type { Caller } from '../../src/rpc/caller.ts';
import { RpcError } from '../../src/rpc/error.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { POLICY } from '../../src/rpc/policy.ts';
import type { AnyHandler, CallContext } from '../../src/rpc/service.ts';
import { RateLimit } from '../../src/runtime/rate-limit.ts';
import { controlPlaneForTests, executorForTests, HTTP_WITH_SECRET } from '../helpers/control-plane.ts';
import { connectedClient } from '../helpers/postgres-client.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { CALLER } from '../helpers/test-deps.ts';

const BOOTSTRAP = 'a-token-of-the-settings,-long-enough';
const ACCESS = { isLoginRequired: true, bootstrapHash: () => hashOfToken(BOOTSTRAP) };
const asAdmin = { token: BOOTSTRAP };
const ID = '5f0a3a50-9e9b-4d6c-8a10-1b6c1f6e7d11';

/** What a record says, but for who and when. */
const told = ({ method, resource, code, reason, changes }: AuditRecord) => ({
  call: method.split('/')[1],
  resource,
  outcome: reason || Code[code as never] || code,
  changes: changes.map(({ path, before, after, secret }) =>
    secret ? `${path}: secret` : `${path}: ${before} → ${after}`,
  ),
});

test('who changes something, and what, is kept with the change', { timeout: 180_000 }, async (t) => {
  const system = await controlPlaneForTests(t, { access: ACCESS });
  await executorForTests(t, system);
  const { client, tokens, users, auth, postgresUrl, server } = system;
  const audit = createClient(AuditService, server.grpcAddress);
  t.after(() => audit[Symbol.dispose]());
  const list = async (filter = {}) =>
    (await audit.listAuditRecords({ filter, pageSize: 1000 }, asAdmin)).records;
  /** The records of what was done since it was last asked. */
  let seen = 0;
  const since = async () => {
    const all = await list();
    const fresh = all.slice(0, all.length - seen).toReversed();
    seen = all.length;
    return fresh;
  };

  await t.test('a change of an integration, field by field, and nothing of its secrets', async () => {
    const { integration } = await client.createIntegration({ integration: HTTP_WITH_SECRET }, asAdmin);
    const id = integration!.id;
    const resource = `integrations/${id}`;
    const [created] = await since();
    assert.deepEqual(
      [created!.caller, created!.callerKind, created!.role, created!.address, created!.serviceId],
      ['bootstrap', CallerKind.TOKEN, Role.ADMIN, '127.0.0.1', 'cp'],
    );
    assert.equal(created!.resource, resource);
    assert.ok(created!.changes.some(({ path, after }) => path === 'name' && after === '"to http"'));
    assert.ok(!created!.changes.some(({ path }) => path === 'type'), 'the paths of its configuration say it');
    assert.ok(
      created!.changes.some(({ path, secret }) => path === 'http.credentials.basic.password' && secret),
    );
    const http = { restEndpointUrl: 'http://127.0.0.1:9999/in', credentials: basic('other') };
    await client.updateIntegration(
      {
        integration: { id, name: 'renamed', configuration: { case: 'http', value: http } },
        updateMask: { paths: ['name', 'http.credentials'] },
      },
      asAdmin,
    );
    await client.disableIntegration({ id }, asAdmin);
    await client.restartIntegration({ id }, asAdmin).catch(() => {});
    await client.deleteIntegration({ id }, asAdmin);
    assert.deepEqual((await since()).map(told), [
      {
        call: 'UpdateIntegration',
        resource,
        outcome: 0,
        changes: [
          'name: "to http" → "renamed"',
          'generation: "1" → "2"',
          'http.credentials.basic.password: secret',
        ],
      },
      {
        call: 'DisableIntegration',
        resource,
        outcome: 0,
        changes: ['enabled: true → ', 'generation: "2" → "3"'],
      },
      { call: 'RestartIntegration', resource, outcome: 'INTEGRATION_DISABLED', changes: [] },
      {
        ...{ call: 'DeleteIntegration', resource, outcome: 0 },
        changes: told((await list())[0]!).changes,
      },
    ]);
    const text = JSON.stringify(await list(), (_, value) =>
      typeof value === 'bigint' ? String(value) : value,
    );
    for (const secret of ['hunter2', 'other']) assert.ok(!text.includes(`${secret}"`), secret);
  });

  await t.test('a call that is refused, with the reason, and none that was not let in', async () => {
    const viewer = (await tokens.createToken({ token: { name: 'viewer', role: Role.VIEWER } }, asAdmin))
      .value;
    await since();
    await rpcRejection(() => client.deleteIntegration({ id: ID }, { token: viewer }));
    await rpcRejection(() => client.deleteIntegration({ id: 'x' }, asAdmin));
    await rpcRejection(() => client.deleteIntegration({ id: ID }, { token: 'pst_nobody' }));
    await client.createIntegration({ integration: HTTP_WITH_SECRET, validateOnly: true }, asAdmin);
    await client.listIntegrations({}, asAdmin);
    const [denied, invalid, ...more] = await since();
    assert.deepEqual(
      [denied!.caller, told(denied!)],
      [
        'viewer',
        { call: 'DeleteIntegration', resource: `integrations/${ID}`, outcome: 'ROLE_NEEDED', changes: [] },
      ],
    );
    assert.equal(invalid!.code, Code.INVALID_ARGUMENT);
    assert.deepEqual(more, []);
    assert.deepEqual(
      (await list({ refused: true })).map(({ caller }) => caller),
      ['bootstrap', 'viewer', 'bootstrap'],
    );
  });

  await t.test('changes of tokens and users', async () => {
    const { token } = await tokens.createToken({ token: { name: 'ci', role: Role.EDITOR } }, asAdmin);
    await tokens.revokeToken({ id: token!.id }, asAdmin);
    const password = 'correct horse battery';
    await users.createUser({ user: { name: 'ada', role: Role.VIEWER, password } }, asAdmin);
    await users.updateUser(
      {
        user: { name: 'ada', role: Role.EDITOR, password: `${password}!` },
        updateMask: { paths: ['role', 'password'] },
      },
      asAdmin,
    );
    await users.deleteUser({ name: 'ada' }, asAdmin);
    assert.deepEqual(
      (await since()).map(told),
      [
        ...[
          { call: 'CreateToken', changes: ['name:  → "ci"', 'role:  → "ROLE_EDITOR"'] },
          { call: 'RevokeToken', changes: ['name: "ci" → ', 'role: "ROLE_EDITOR" → '] },
        ].map((one) => ({ ...one, resource: `tokens/${token!.id}`, outcome: 0 })),
        ...[
          { call: 'CreateUser', changes: ['role:  → "ROLE_VIEWER"', 'password: secret'] },
          { call: 'UpdateUser', changes: ['role: "ROLE_VIEWER" → "ROLE_EDITOR"', 'password: secret'] },
          { call: 'DeleteUser', changes: ['role: "ROLE_EDITOR" → '] },
        ].map((one) => ({ ...one, resource: 'users/ada', outcome: 0 })),
      ].map(({ call, resource, outcome, changes }) => ({ call, resource, outcome, changes })),
    );
  });

  await t.test('a login, and one that fails', async () => {
    const password = 'correct horse battery';
    await users.createUser({ user: { name: 'eve', role: Role.VIEWER, password } }, asAdmin);
    await since();
    const logIn = (typed: string) =>
      auth.createSession({ credentials: { case: 'password', value: { name: 'eve', password: typed } } });
    await rpcRejection(() => logIn('wrong horse battery'));
    await logIn(password);
    assert.deepEqual(
      (await since()).map(({ caller, callerKind, resource, reason }) => [
        caller,
        callerKind,
        resource,
        reason,
      ]),
      [
        ['', CallerKind.UNSPECIFIED, 'users/eve', 'LOGIN_FAILED'],
        ['eve', CallerKind.USER, 'users/eve', ''],
      ],
    );
    await users.deleteUser({ name: 'eve' }, asAdmin);
    await since();
  });

  await t.test('they are found by caller, call and time, in pages', async () => {
    const all = await list();
    const of = (keep: (record: AuditRecord) => boolean) => all.filter(keep);
    const service = 'penstock.v1.UserService';
    assert.deepEqual(
      await list({ method: service }),
      of(({ method }) => method.startsWith(`${service}/`)),
    );
    const [creation] = await list({ method: `${service}/CreateUser`, resource: 'users/ada' });
    assert.deepEqual(
      creation,
      of(({ method, resource }) => method.endsWith('/CreateUser') && resource.endsWith('/ada'))[0],
    );
    assert.equal((await list({ resource: 'users/ada' })).length, 3);
    assert.deepEqual((await list({ caller: 'viewer' })).length, 1);
    assert.deepEqual(
      await list({ endTime: all[2]!.time }),
      all.filter((one) => isBefore(one, all[2]!)),
    );
    const paged: AuditRecord[] = [];
    let pageToken = '';
    for (let page = 0; page < 10 && (page === 0 || pageToken !== ''); page++) {
      const answer = await audit.listAuditRecords({ pageSize: 5, pageToken }, asAdmin);
      paged.push(...answer.records);
      pageToken = answer.nextPageToken;
    }
    assert.deepEqual(paged, all);
  });

  await t.test('without its record nothing is changed', async () => {
    await using sql = await connectedClient(postgresUrl);
    await sql.query(
      "alter table audit_records add constraint broken check (caller <> 'bootstrap') not valid",
    );
    await sql.query(
      `do $$ declare part text; begin for part in select name from time_partitions where parent = 'audit_records' loop
         execute format('alter table %I add constraint broken check (caller <> ''bootstrap'') not valid', part);
       end loop; end $$`,
    );
    const { code } = await rpcRejection(() =>
      client.createIntegration({ integration: HTTP_WITH_SECRET }, asAdmin),
    );
    assert.equal(code, Code.INTERNAL);
    assert.equal((await client.listIntegrations({}, asAdmin)).totalSize, 0);
  });
});

test('every RPC that may change something is audited, and nothing else, whoever asks how a node is', () => {
  const names = [...POLICY.keys()].filter(isAudited).map(({ name }) => name);
  assert.deepEqual(names.toSorted(), [
    ...[
      'CancelRedrive',
      'CancelReplay',
      'ChangePassword',
      'CheckConnection',
      'CreateIntegration',
      'CreateSession',
      'CreateToken',
    ],
    ...[
      'CreateUser',
      'DeleteIntegration',
      'DeleteSession',
      'DeleteUser',
      'DisableIntegration',
      'EnableIntegration',
    ],
    ...['PurgeDeadLetters', 'RedriveDeadLetters', 'RestartIntegration', 'RevokeToken'],
    ...['StartRedrive', 'StartReplay'],
    ...['TryDelivery', 'UpdateIntegration', 'UpdateUser'],
  ]);
});

test('a change that was rolled back, or made at the second try, has the record that is true', async (t) => {
  const { postgresUrl, ...deps } = await controlPlaneForTests(t);
  await using db = new Database(postgresUrl, deps);
  const refusals = new RateLimit({ atOnce: 100, perMinute: 100 }, deps.clock);
  const make = (handler: (queries: Queries, by: Caller, attempt: number) => Promise<void>, fails = false) => {
    let attempt = 0;
    const deleteIntegration = async (_: unknown, { caller }: CallContext) => {
      await db.transaction((queries) => handler(queries, caller, ++attempt));
      if (fails) throw new RpcError(Code.UNAVAILABLE, 'too late');
      return {};
    };
    const service = { service: IntegrationService, handlers: { ...others, deleteIntegration } };
    return audited(service, { ...deps, db, refusals, serviceId: 'cp' }).handlers.deleteIntegration!;
  };
  const call = (handler: AnyHandler) =>
    Promise.resolve(handler({ id: ID } as never, { caller: CALLER } as CallContext)).catch(
      () => {},
    ) as Promise<unknown>;
  const codes = async () => {
    const found = await listAuditRecords(db, { isRefused: false }, { before: undefined, limit: 10 });
    await db.query('delete from audit_records');
    return found.map(({ code }) => code);
  };
  const change = (queries: Queries, by: Caller) => trailOf(by)!.changed(queries, 'integrations/x', []);
  await call(make(change, true));
  assert.deepEqual(await codes(), [Code.OK], 'what was changed is, whatever came of the call');
  await call(
    make(async (queries, by) => {
      await change(queries, by);
      throw new RpcError(Code.ABORTED, 'no');
    }),
  );
  assert.deepEqual(await codes(), [Code.ABORTED]);
  await call(
    make(async (queries, by, attempt) => {
      if (attempt === 2) return;
      await change(queries, by);
      await queries.query("do $$ begin raise exception 'deadlock' using errcode = '40P01'; end $$");
    }),
  );
  assert.deepEqual(await codes(), [Code.OK], 'it changed nothing the second time');
});

const others = Object.fromEntries(IntegrationService.methods.map(({ localName }) => [localName, () => ({})]));

const basic = (password: string) => ({
  credentials: { case: 'basic' as const, value: { username: 'me', password } },
});

const isBefore = (a: AuditRecord, b: AuditRecord) =>
  Number(a.time!.seconds) * 1e9 + a.time!.nanos < Number(b.time!.seconds) * 1e9 + b.time!.nanos;
