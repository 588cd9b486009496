import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { CallerKind, Role } from '../../gen/penstock/v1/access_pb.ts';
import { hashOfToken } from '../../src/contract/api-token.ts';
import { Browser } from '../helpers/browser.ts';
import { controlPlaneForTests, HTTP } from '../helpers/control-plane.ts';
import { countedPasswords } from '../helpers/counted-passwords.ts';
import { faultProxy } from '../helpers/fault-proxy.ts';
import { databaseForTests } from '../helpers/postgres.ts';
import { connectedClient } from '../helpers/postgres-client.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const BOOTSTRAP = 'a-token-of-the-settings,-long-enough';
const ACCESS = { isLoginRequired: true, bootstrapHash: () => hashOfToken(BOOTSTRAP) };
const OTHER_ACCESS = { isLoginRequired: true, bootstrapHash: () => hashOfToken('another one') };
const asAdmin = { token: BOOTSTRAP };
const PASSWORD = 'correct horse battery';
const LIFETIME = 4000;

test('people log in with a browser, and are known on every node until their sessions end', {
  timeout: 180_000,
}, async (t) => {
  const { counted, passwords } = countedPasswords();
  const first = await controlPlaneForTests(t, { access: ACCESS, passwords });
  const { users, tokens, auth, postgresUrl } = first;
  const sharing = { postgresUrl, passwords };
  const second = await controlPlaneForTests(t, { access: ACCESS, ...sharing, serviceId: 'second' }, first);
  const sessionTimes = { idle: 60_000, lifetime: LIFETIME };
  const third = await controlPlaneForTests(
    t,
    { access: OTHER_ACCESS, ...sharing, sessionTimes, serviceId: 'third' },
    first,
  );
  let made = 0;
  const userOf = async (role: Role, more: object = {}) => {
    const user = { name: `user-${made++}@example.com`, role, password: PASSWORD, ...more };
    await users.createUser({ user }, asAdmin);
    return user.name;
  };
  const browser = (node = first) => new Browser(node.server.httpAddress);
  /** The same browser at another node. */
  const at = (node: typeof first, { cookie }: Browser) => Object.assign(browser(node), { cookie });
  const loggedIn = async (name: string, node = first, password = PASSWORD) => {
    const page = browser(node);
    const { status, body } = await page.logIn(name, password);
    assert.equal(status, 200, JSON.stringify(body));
    return page;
  };
  const endsEverywhere = async (page: Browser) => {
    assert.equal(await page.status(), 401, 'at once where it was ended');
    await waitUntil('the other node knows it', async () => (await at(second, page).status()) === 401);
  };

  await t.test('a password begins a session, which is in a cookie that no script reads', async () => {
    const name = await userOf(Role.VIEWER);
    const page = browser();
    const { status, body, cookies } = await page.logIn(name.toUpperCase(), PASSWORD);
    assert.equal(status, 200);
    assert.match(cookies.join(), /^penstock_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
    assert.deepEqual(
      [body.self.name, body.self.kind, body.self.role],
      [name, 'CALLER_KIND_USER', 'ROLE_VIEWER'],
    );
    const hours = (Date.parse(body.expireTime) - Date.now()) / 3_600_000;
    assert.ok(hours > 11.9 && hours < 12.1, `${hours} h`);
    for (const one of [page, at(second, page), at(third, page)]) {
      const self = (await one.call('AuthService/GetSelf')).body.self;
      assert.deepEqual(self, body.self);
      assert.ok(self.allowedMethods.includes('penstock.v1.IntegrationService/GetIntegration'));
      assert.ok(!self.allowedMethods.includes('penstock.v1.IntegrationService/CreateIntegration'));
    }
    assert.equal((await page.call('IntegrationService/ListIntegrations')).status, 200);
    assert.equal((await page.get('IntegrationService/ListIntegrations')).status, 200);
    assert.equal((await page.call('UserService/ListUsers')).status, 403);
    const { user } = await users.getUser({ name }, asAdmin);
    assert.ok(user?.lastLoginTime);
  });

  await t.test('whatever is wrong, there is the same answer after the same work', async () => {
    const known = await userOf(Role.ADMIN);
    const disabled = await userOf(Role.ADMIN, { disabled: true });
    const answers = [];
    for (const [name, password] of [
      [known, 'wrong password'],
      ['nobody', PASSWORD],
      ['no name of a user, \u0000 and more', PASSWORD],
      [disabled, PASSWORD],
      [disabled, 'wrong password'],
    ] as const) {
      counted.costs.length = 0;
      const page = browser();
      const { status, body } = await page.logIn(name, password);
      answers.push(JSON.stringify([status, body, page.cookie]));
      assert.deepEqual(counted.costs, [{ ln: 15, r: 8, p: 3 }], name);
    }
    assert.deepEqual(answers, Array(5).fill(answers[0]));
    assert.match(answers[0]!, /^\[401,.*LOGIN_FAILED/);
    const token = await browser().call('AuthService/CreateSession', { token: { value: 'pst_x' } });
    assert.equal(JSON.stringify([token.status, token.body, null]), answers[0]);
    const { values } = await first.metrics.logins.get();
    assert.equal(values.find(({ labels }) => labels.result === 'wrong')?.value, 6);
  });

  await t.test('a cookie counts only for pages of the host that they call', async () => {
    const page = await loggedIn(await userOf(Role.ADMIN), second);
    const list = (headers: Record<string, string>) => page.call('UserService/ListUsers', {}, headers);
    assert.equal((await list({ origin: page.url })).status, 200);
    assert.equal((await list({})).status, 401, 'a page that says nothing of itself');
    assert.equal((await list({ origin: 'null' })).status, 403);
    // The host that is listened on may be called from pages of its other ports, but not with the cookie.
    assert.equal((await list({ origin: 'http://127.0.0.1:1' })).status, 401);
    assert.equal((await list({ origin: 'http://localhost:1' })).status, 403);
    assert.equal((await page.get('UserService/ListUsers', { origin: 'http://127.0.0.1:1' })).status, 401);
    assert.equal((await page.get('UserService/ListUsers')).status, 200);
  });

  await t.test('the paths of their own are for sessions, too', async () => {
    const page = browser();
    const login = { name: 'grace', password: PASSWORD };
    const bearer = { authorization: `Bearer ${BOOTSTRAP}` };
    const user = { ...login, role: 'ROLE_VIEWER' };
    assert.equal((await page.send('POST', '/api/v1/users', user, bearer)).status, 200);
    const { status, cookies } = await page.send('POST', '/api/v1/session', { password: login });
    assert.deepEqual([status, cookies.length], [200, 1]);
    assert.equal((await page.send('GET', '/api/v1/self')).body.self.name, login.name);
    assert.equal((await page.send('DELETE', '/api/v1/session', undefined, {})).status, 401);
    assert.equal((await page.send('DELETE', '/api/v1/session')).status, 200);
    assert.match(page.cookie!, /=$/);
  });

  await t.test('over gRPC there is a session, too, which is of no use there', async () => {
    const login = { name: await userOf(Role.VIEWER), password: PASSWORD };
    const { self } = await auth.createSession({ credentials: { case: 'password', value: login } });
    assert.equal(self?.kind, CallerKind.USER);
    const { code } = await rpcRejection(() => auth.getSelf({}));
    assert.equal(code, Code.UNAUTHENTICATED);
    const { reason } = await rpcRejection(() => auth.deleteSession({}, asAdmin));
    assert.equal(reason, 'NO_SESSION');
    const change = { currentPassword: PASSWORD, newPassword: 'another password' };
    assert.equal((await rpcRejection(() => auth.changePassword(change, asAdmin))).reason, 'NO_PASSWORD');
  });

  await t.test('who logs out is known nowhere any more, and stays logged in elsewhere', async () => {
    const name = await userOf(Role.VIEWER);
    const [page, other] = [await loggedIn(name), await loggedIn(name, second)];
    assert.equal(await at(second, page).status(), 200);
    const before = { ...page };
    const { status, cookies } = await page.call('AuthService/DeleteSession');
    assert.equal(status, 200);
    assert.match(cookies.join(), /^penstock_session=; .*Max-Age=0/);
    await endsEverywhere(at(first, before as Browser));
    assert.equal(await other.status(), 200);
  });

  await t.test('a user that is changed so that it matters logs in again', async () => {
    const name = await userOf(Role.EDITOR);
    const change = (user: object, paths: string[]) =>
      users.updateUser({ user: { name, ...user }, updateMask: { paths } }, asAdmin);
    const scope = { namePrefix: 'a' };
    const page = await loggedIn(name);
    await change({ displayName: 'Ada', role: Role.EDITOR }, ['display_name', 'role', 'disabled']);
    assert.equal(await page.status(), 200, 'nothing that matters');
    await change({ role: Role.VIEWER }, ['role']);
    await endsEverywhere(page);
    const scoped = await loggedIn(name);
    await change({ scope }, ['scope']);
    await endsEverywhere(scoped);
    const limited = await loggedIn(name);
    assert.deepEqual((await limited.call('AuthService/GetSelf')).body.self.scope, scope);
    await change({ password: 'another password' }, ['password']);
    await endsEverywhere(limited);
    const renewed = await loggedIn(name, first, 'another password');
    await change({ disabled: true }, ['disabled']);
    await endsEverywhere(renewed);
    await change({}, ['disabled', 'scope']);
    const gone = await loggedIn(name, first, 'another password');
    await users.deleteUser({ name }, asAdmin);
    await endsEverywhere(gone);
  });

  await t.test('a password that is changed while somebody logs in with it lets nobody in', async () => {
    const name = await userOf(Role.ADMIN);
    const [begun, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    counted.before = async () => {
      begun.resolve();
      await go.promise;
    };
    const login = browser(second).logIn(name, PASSWORD);
    await begun.promise;
    counted.before = async () => {};
    const user = { name, password: 'another password' };
    await users.updateUser({ user, updateMask: { paths: ['password'] } }, asAdmin);
    go.resolve();
    assert.equal((await login).status, 401);
  });

  await t.test('who changes his password stays, and his other sessions end', async () => {
    const name = await userOf(Role.VIEWER);
    const [page, other] = [await loggedIn(name), await loggedIn(name)];
    const change = (currentPassword: string, newPassword: string) =>
      page.call('AuthService/ChangePassword', { currentPassword, newPassword });
    const wrong = await change('wrong password', 'another password');
    assert.deepEqual(
      [wrong.status, wrong.body.details[0].debug.fieldViolations[0].reason],
      [400, 'WRONG_PASSWORD'],
    );
    assert.equal((await change(PASSWORD, 'too short')).status, 400);
    assert.equal(await other.status(), 200);
    assert.equal((await change(PASSWORD, 'another password')).status, 200);
    await endsEverywhere(other);
    assert.equal(await page.status(), 200);
    assert.equal((await browser(second).logIn(name, PASSWORD)).status, 401);
    await loggedIn(name, second, 'another password');
  });

  await t.test('a session by an API token may what the token may, and ends with it', async () => {
    const draft = { name: 'dashboard', role: Role.OPERATOR, scope: { namePrefix: 'a' } };
    const { token, value } = await tokens.createToken({ token: draft }, asAdmin);
    const page = browser();
    const { body } = await page.call('AuthService/CreateSession', { token: { value } });
    const { name, kind, role, scope } = body.self;
    assert.deepEqual(
      [name, kind, role, scope],
      [draft.name, 'CALLER_KIND_TOKEN', 'ROLE_OPERATOR', draft.scope],
    );
    const create = await page.call('IntegrationService/CreateIntegration', {
      integration: { name: HTTP.name },
    });
    assert.equal(create.status, 403);
    assert.equal(await at(second, page).status(), 200);
    await tokens.revokeToken({ id: token!.id }, asAdmin);
    await endsEverywhere(page);
    const page2 = browser();
    assert.equal((await page2.call('AuthService/CreateSession', { token: { value } })).status, 401);
  });

  await t.test('a session by the bootstrap token is none where the settings have another', async () => {
    const page = browser();
    const { body } = await page.call('AuthService/CreateSession', { token: { value: BOOTSTRAP } });
    assert.deepEqual([body.self.name, body.self.role], ['bootstrap', 'ROLE_ADMIN']);
    assert.equal(await at(second, page).status(), 200);
    assert.equal(await at(third, page).status(), 401);
  });

  await t.test('a session ends when nobody uses it, and at its time whoever does', async () => {
    await using client = await connectedClient(postgresUrl);
    const name = await userOf(Role.VIEWER);
    /** As if it had been used last so many seconds ago, seen by a node that knows nothing of it yet. */
    const unusedFor = async (seconds: number) => {
      const page = await loggedIn(name);
      const aged = `update sessions set last_used_time = now() - $2 * interval '1 second' where user_name = $1`;
      await client.query(aged, [name, seconds]);
      const status = await at(second, page).status();
      const age = `select extract(epoch from now() - last_used_time)::int as age from sessions where user_name = $1`;
      const { rows } = await client.query(age, [name]);
      await client.query('delete from sessions where user_name = $1', [name]);
      return [status, Math.abs(rows[0].age - seconds) < 5 ? seconds : rows[0].age];
    };
    assert.deepEqual(await unusedFor(40), [200, 40], 'not noted each time');
    assert.deepEqual(await unusedFor(1700), [200, 0], 'noted');
    assert.deepEqual(await unusedFor(1900), [401, 1900]);
    const page = browser(third);
    const { body } = await page.logIn(name, PASSWORD);
    assert.ok(Date.parse(body.expireTime) - Date.now() < LIFETIME);
    await waitUntil('its time is over', async () => (await page.status()) === 401);
  });

  await t.test('too many tries are refused, also with what is right', async () => {
    const [name, other] = [await userOf(Role.VIEWER), await userOf(Role.VIEWER)];
    const statuses = [];
    for (let i = 0; i < 11; i++) statuses.push((await browser(second).logIn(name, 'wrong password')).status);
    assert.deepEqual(statuses, [...Array(10).fill(401), 429]);
    counted.costs.length = 0;
    const { status, body } = await browser(second).logIn(name, PASSWORD);
    assert.deepEqual([status, body.details[0].debug.reason], [429, 'RATE_LIMITED']);
    assert.deepEqual(counted.costs, [], 'nothing is looked at');
    await loggedIn(other, second);
    const { values } = await second.metrics.logins.get();
    assert.equal(values.find(({ labels }) => labels.result === 'limited')?.value, 2);
  });

  await t.test('logins are open to all, and say how', async () => {
    const { body } = await browser().call('AuthService/GetLoginMethods');
    assert.deepEqual(body, { loginRequired: true });
  });
});

test('while PostgreSQL is away nobody is told that he is not logged in', { timeout: 120_000 }, async (t) => {
  const url = new URL(await databaseForTests(t));
  const proxy = await faultProxy(t, url.hostname, Number(url.port));
  url.host = `127.0.0.1:${proxy.port}`;
  const postgresUrl = url.href;
  const { passwords } = countedPasswords();
  const { server, users } = await controlPlaneForTests(t, { access: ACCESS, passwords, postgresUrl });
  await users.createUser({ user: { name: 'ada', role: Role.VIEWER, password: PASSWORD } }, asAdmin);
  const page = new Browser(server.httpAddress);
  await page.logIn('ada', PASSWORD);
  await proxy.set({ down: true });
  const statuses = new Set<number>();
  await waitUntil('it is noticed', async () => {
    statuses.add(await page.status());
    return statuses.has(503);
  });
  assert.ok(!statuses.has(401));
  assert.equal((await page.logIn('ada', PASSWORD)).status, 503);
  await proxy.set({});
  await waitUntil('it is back', async () => {
    statuses.add(await page.status());
    return (await page.status()) === 200;
  });
  assert.ok(!statuses.has(401));
});

test('without a login configured whoever asks is an admin, and there are no sessions', async (t) => {
  const { server, auth } = await controlPlaneForTests(t);
  const page = new Browser(server.httpAddress);
  const { self } = (await page.call('AuthService/GetSelf')).body;
  assert.deepEqual([self.name, self.kind, self.role], ['anybody', 'CALLER_KIND_ANYBODY', 'ROLE_ADMIN']);
  assert.ok(self.allowedMethods.includes('penstock.v1.UserService/DeleteUser'));
  assert.deepEqual((await page.call('AuthService/GetLoginMethods')).body, {});
  const value = { name: 'ada', password: PASSWORD };
  const login = () => auth.createSession({ credentials: { case: 'password', value } });
  assert.equal((await rpcRejection(login)).reason, 'NO_LOGIN');
});
