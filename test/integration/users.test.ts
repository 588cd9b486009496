import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { Role } from '../../gen/penstock/v1/access_pb.ts';
import { hashOfToken } from '../../src/contract/api-token.ts';
import { controlPlaneForTests } from '../helpers/control-plane.ts';
import { countedPasswords } from '../helpers/counted-passwords.ts';
import { connectedClient } from '../helpers/postgres-client.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';

const BOOTSTRAP = 'a-token-of-the-settings,-long-enough';
const ACCESS = { isLoginRequired: true, bootstrapHash: () => hashOfToken(BOOTSTRAP) };
const asAdmin = { token: BOOTSTRAP };
const PASSWORD = 'correct horse battery';

test('users are made, listed, changed and removed, and no answer has a password', async (t) => {
  const { passwords } = countedPasswords();
  const { users, tokens, postgresUrl } = await controlPlaneForTests(t, { access: ACCESS, passwords });
  const answers: string[] = [];
  const told = <A extends object>(answer: A): A => {
    answers.push(JSON.stringify(answer, (_, value) => (typeof value === 'bigint' ? String(value) : value)));
    return answer;
  };
  const rejection = (call: Promise<unknown>) => rpcRejection(() => call);
  const update = (user: object, paths?: string[]) =>
    users.updateUser({ user, ...(paths && { updateMask: { paths } }) }, asAdmin);

  await t.test('one is made by an admin, with a name that nobody else has', async () => {
    const scope = { namePrefix: 'a', labels: { site: 'b' } };
    const draft = {
      name: 'ada@example.com',
      displayName: 'Ada',
      role: Role.EDITOR,
      scope,
      password: PASSWORD,
    };
    const { user } = told(await users.createUser({ user: draft }, asAdmin));
    assert.deepEqual([user?.name, user?.displayName, user?.role], [draft.name, 'Ada', Role.EDITOR]);
    assert.deepEqual(told(await users.getUser({ name: draft.name }, asAdmin)).user, user);
    assert.equal(user?.scope?.labels.site, 'b');
    const taken = await rejection(users.createUser({ user: draft }, asAdmin));
    assert.deepEqual([taken.code, taken.reason], [Code.ALREADY_EXISTS, 'NAME_TAKEN']);
    const { value } = await tokens.createToken({ token: { name: 'e', role: Role.EDITOR } }, asAdmin);
    await tokens.createToken({ token: { name: 'f', role: Role.EDITOR } }, asAdmin);
    for (const token of [value, undefined]) {
      const { code } = await rejection(users.createUser({ user: { ...draft, name: 'b' } }, { token }));
      assert.equal(code, token === undefined ? Code.UNAUTHENTICATED : Code.PERMISSION_DENIED);
    }
  });

  await t.test('what breaks a rule is told with its path', async () => {
    const good = { name: 'grace', role: Role.VIEWER, password: PASSWORD };
    for (const [user, field] of [
      [{ ...good, name: 'Grace' }, 'user.name'],
      [{ ...good, name: '' }, 'user.name'],
      [{ ...good, name: 'g'.repeat(101) }, 'user.name'],
      [{ ...good, role: Role.UNSPECIFIED }, 'user.role'],
      [{ ...good, role: 9 as Role }, 'user.role'],
      [{ ...good, password: 'eleven char' }, 'user.password'],
      [{ ...good, password: 'x'.repeat(1025) }, 'user.password'],
      [{ ...good, displayName: 'a\u0000b' }, 'user.display_name'],
      [{ name: good.name, role: good.role }, 'user'],
      [{ ...good, role: Role.ADMIN, scope: { namePrefix: 'a' } }, 'user'],
    ] as const) {
      const { code, fields } = await rejection(users.createUser({ user }, asAdmin));
      assert.deepEqual([code, fields], [Code.INVALID_ARGUMENT, [field]], JSON.stringify(user));
    }
  });

  await t.test('they are listed by name, in pages', async () => {
    const names = ['ada@example.com', 'b_1', 'b-2', 'b.3'];
    for (const name of names.slice(1)) {
      await users.createUser({ user: { name, role: Role.VIEWER, password: PASSWORD } }, asAdmin);
    }
    const listed: string[] = [];
    let pageToken = '';
    do {
      const page = told(await users.listUsers({ pageSize: 2, pageToken }, asAdmin));
      listed.push(...page.users.map(({ name }) => name));
      pageToken = page.nextPageToken;
    } while (pageToken !== '' && listed.length < 10);
    assert.deepEqual(listed, names.toSorted());
    const { nextPageToken } = await tokens.listTokens({ pageSize: 1 }, asAdmin);
    for (const wrong of ['AAAA', nextPageToken]) {
      assert.notEqual(wrong, '');
      const { fields } = await rejection(users.listUsers({ pageToken: wrong }, asAdmin));
      assert.deepEqual(fields, ['page_token']);
    }
  });

  await t.test('a change takes what its mask names, or all of it', async () => {
    const name = 'b_1';
    const before = (await users.getUser({ name }, asAdmin)).user!;
    const named = told(await update({ name, displayName: 'B', role: Role.ADMIN }, ['display_name'])).user!;
    assert.deepEqual(named, { ...before, displayName: 'B' });
    const all = told(await update({ name, role: Role.OPERATOR, scope: { namePrefix: 'x' } })).user!;
    assert.deepEqual([all.displayName, all.role, all.scope?.namePrefix], ['', Role.OPERATOR, 'x']);
    const cleared = told(await update({ name }, ['scope'])).user!;
    assert.equal(cleared.scope, undefined);
    assert.deepEqual(told(await users.getUser({ name }, asAdmin)).user, cleared);
    told(await update({ name, password: 'another password' }, ['password']));
    for (const [user, paths, fields] of [
      [{ name }, ['create_time'], ['update_mask']],
      [{ name }, ['name'], ['update_mask']],
      [{ name }, ['role'], ['user.role']],
      [{ name, password: 'short' }, ['password'], ['user.password']],
      [{ name, role: Role.ADMIN, scope: { namePrefix: 'x' } }, [], ['user']],
      [{}, [], ['user.name']],
    ] as const) {
      assert.deepEqual((await rejection(update(user, [...paths]))).fields, fields, JSON.stringify(paths));
    }
    assert.deepEqual((await users.getUser({ name }, asAdmin)).user, cleared);
  });

  await t.test('one that is removed is not known, as one that never was', async () => {
    await users.deleteUser({ name: 'b_1' }, asAdmin);
    for (const name of ['b_1', 'nobody', 'no\u0000name']) {
      assert.equal((await rejection(users.getUser({ name }, asAdmin))).code, Code.NOT_FOUND);
      assert.equal((await rejection(users.deleteUser({ name }, asAdmin))).code, Code.NOT_FOUND);
      assert.equal(
        (await rejection(update({ name, displayName: 'x' }, ['display_name']))).code,
        Code.NOT_FOUND,
      );
    }
  });

  await t.test('passwords are in no answer, and in PostgreSQL as hashes', async () => {
    await using client = await connectedClient(postgresUrl);
    const { rows } = await client.query('select * from users');
    assert.equal(rows.length, 3);
    const hashes = rows.map(({ password }) => password as string);
    for (const hash of hashes) assert.match(hash, /^\$scrypt\$ln=15,r=8,p=3\$/);
    assert.ok(answers.length > 8);
    for (const secret of [PASSWORD, 'another password', '$scrypt', ...hashes]) {
      assert.ok(!answers.some((answer) => answer.includes(secret)));
      assert.ok(secret.startsWith('$') || !JSON.stringify(rows).includes(secret));
    }
  });
});
