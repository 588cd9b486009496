import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { Role } from '../../gen/penstock/v1/access_pb.ts';
import { hashOfToken } from '../../src/contract/api-token.ts';
import { controlPlaneForTests, HTTP } from '../helpers/control-plane.ts';
import { connectedClient } from '../helpers/postgres-client.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const BOOTSTRAP = 'a token of the settings, long enough'.replaceAll(' ', '-');
const ACCESS = { isLoginRequired: true, bootstrapHash: () => hashOfToken(BOOTSTRAP) };
const asAdmin = { token: BOOTSTRAP };

async function rejectsWith(call: Promise<unknown>, code: Code, reason?: string): Promise<void> {
  const rejection = await rpcRejection(() => call);
  assert.equal(rejection.code, code);
  if (reason !== undefined) assert.equal(rejection.reason, reason);
}

const succeeds = (call: Promise<unknown>): Promise<boolean> =>
  call.then(
    () => true,
    () => false,
  );

test('API tokens let callers in, by their roles, until they end', { timeout: 120_000 }, async (t) => {
  const first = await controlPlaneForTests(t, { access: ACCESS });
  const { client, tokens, postgresUrl } = first;
  const second = await controlPlaneForTests(t, { access: ACCESS, postgresUrl, serviceId: 'second' }, first);
  const tokenOf = async (role: Role, name: string) => {
    const made = await tokens.createToken({ token: { name, role } }, asAdmin);
    return { id: made.token!.id, token: made.value };
  };

  await t.test('without one there is the same answer to everything', async () => {
    for (const token of [undefined, 'pst_x', BOOTSTRAP.slice(1)]) {
      await rejectsWith(client.listIntegrations({}, { token }), Code.UNAUTHENTICATED, 'UNAUTHENTICATED');
      await rejectsWith(client.getIntegration({ id: 'no UUID' }, { token }), Code.UNAUTHENTICATED);
    }
  });

  await t.test('one is shown once, and known everywhere', async () => {
    const { id, token } = await tokenOf(Role.VIEWER, 'dashboard');
    assert.match(token, /^pst_[\w-]{43}$/);
    await client.listIntegrations({}, { token });
    await waitUntil('the other node knows it', () => succeeds(second.client.listIntegrations({}, { token })));
    const listed = await tokens.listTokens({}, asAdmin);
    const found = listed.tokens.find((one) => one.id === id)!;
    assert.deepEqual([found.name, found.role, found.createdBy], ['dashboard', Role.VIEWER, 'bootstrap']);
    assert.ok(!JSON.stringify(listed, (_, value) => String(value)).includes(token));
  });

  await t.test('a role may do no more than it may', async () => {
    const viewer = await tokenOf(Role.VIEWER, 'viewer');
    await rejectsWith(
      client.createIntegration({ integration: HTTP }, { token: viewer.token }),
      Code.PERMISSION_DENIED,
      'ROLE_NEEDED',
    );
    await rejectsWith(tokens.listTokens({}, { token: viewer.token }), Code.PERMISSION_DENIED);
  });

  await t.test('one that is revoked, or whose time is over, lets nobody in', async () => {
    const { id, token } = await tokenOf(Role.EDITOR, 'gone');
    await tokens.revokeToken({ id }, asAdmin);
    await rejectsWith(client.listIntegrations({}, { token }), Code.UNAUTHENTICATED);
    await waitUntil(
      'the other node knows it',
      async () => !(await succeeds(second.client.listIntegrations({}, { token }))),
    );
    await rejectsWith(tokens.revokeToken({ id }, asAdmin), Code.NOT_FOUND);
    const soon = { name: 'short', role: Role.VIEWER, expireTime: timestampFromMs(Date.now() + 1500) };
    const short = (await tokens.createToken({ token: soon }, asAdmin)).value;
    await client.listIntegrations({}, { token: short });
    await waitUntil(
      'its time is over',
      async () => !(await succeeds(client.listIntegrations({}, { token: short }))),
    );
    const past = { ...soon, expireTime: timestampFromMs(1) };
    await rejectsWith(tokens.createToken({ token: past }, asAdmin), Code.INVALID_ARGUMENT);
  });

  await t.test('a stream ends with the token that it was opened by', async () => {
    const { id, token } = await tokenOf(Role.VIEWER, 'watcher');
    const watched = (async () => {
      for await (const _ of client.watchIntegrations({}, { token })) assert.fail('there is nothing to see');
    })();
    watched.catch(() => {});
    const overHttp = fetch(`http://${first.server.httpAddress}/api/v1/events:watch`, {
      headers: { authorization: `Bearer ${token}` },
    }).then((response) => response.text());
    await tokens.revokeToken({ id }, asAdmin);
    await rejectsWith(watched, Code.UNAUTHENTICATED);
    assert.match(await overHttp, /unauthenticated/);
  });

  await t.test('a database from a backup is believed, though it was changed less often', async () => {
    const { token } = await tokenOf(Role.VIEWER, 'made after the backup');
    await waitUntil('the other node knows it', () => succeeds(second.client.listIntegrations({}, { token })));
    await using sql = await connectedClient(postgresUrl);
    await sql.query("delete from tokens where name = 'made after the backup'");
    await sql.query('update access_version set version = 1');
    const third = { access: ACCESS, postgresUrl, serviceId: 'third' };
    await controlPlaneForTests(t, third, first);
    for (const node of [first, second]) {
      await waitUntil(
        'it is not known any more',
        async () => !(await succeeds(node.client.listIntegrations({}, { token }))),
      );
    }
  });
});
