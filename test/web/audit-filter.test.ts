import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { CallerKind, Role } from '../../gen/penstock/v1/access_pb.ts';
import type { Self } from '../../gen/penstock/v1/auth_service_pb.ts';
import { refusalOf } from '../../web/src/app/refusal.ts';
import { readScope, scopeText } from '../../web/src/pages/access/scope.ts';
import { changeOf, problemOf, typedUser } from '../../web/src/pages/access/user-change.ts';
import { filterOf, linkOf, resultText } from '../../web/src/pages/audit/audit-filter.ts';

const read = (text: string) => filterOf(new URLSearchParams(text));

test('the filter of audit records is the query of the URL, and what makes no sense finds nothing', () => {
  const found = read(
    'who=ada&method=TokenService/CreateToken&integration=1&from=2026-11-29T12:00:00Z&result=refused',
  );
  assert.ok('filter' in found);
  const { startTime, ...rest } = found.filter;
  assert.equal(startTime?.seconds, 1_795_953_600n);
  assert.deepEqual(rest, {
    caller: 'ada',
    method: 'penstock.v1.TokenService/CreateToken',
    resource: 'integrations/1',
    refused: true,
  });
  for (const method of ['admin create-token', '/login/oidc', 'penstock.v1.UserService']) {
    const same = read(`method=${encodeURIComponent(method)}`);
    assert.equal('filter' in same && same.filter.method, method);
  }
  assert.ok('problem' in read('from=yesterday'));
  assert.ok('problem' in read('result=good'));
});

test('a result is told in words, and what it is about leads to its page', () => {
  assert.equal(resultText({ code: Code.OK, reason: '' }), 'done');
  assert.equal(
    resultText({ code: Code.PERMISSION_DENIED, reason: 'ROLE_NEEDED' }),
    'permission denied: ROLE_NEEDED',
  );
  assert.equal(resultText({ code: 99 as Code, reason: '' }), 'code 99');
  assert.equal(linkOf('integrations/a'), '/integrations/a');
  assert.equal(linkOf('users/ada@example.com'), '/access');
  for (const none of ['', 'integrations/', 'javascript:alert(1)', 'integrations/a/b', 'settings/x'])
    assert.equal(linkOf(none), undefined, none);
});

test('a scope is read as it is typed, and shown so', () => {
  const scope = {
    $typeName: 'penstock.v1.Scope' as const,
    namePrefix: 'north-',
    labels: { team: 'a=b', site: '' },
  };
  assert.equal(scopeText(scope), 'north-*, team=a=b, site=');
  assert.equal(scopeText(undefined), 'all integrations');
  assert.deepEqual(readScope({ prefix: 'north-', labels: ' team=a=b,\nsite= ,' }), {
    scope: { namePrefix: 'north-', labels: { team: 'a=b', site: '' } },
  });
  assert.deepEqual(readScope({ prefix: '', labels: ' ' }), { scope: undefined });
  for (const labels of ['team', '=x', 'team=a, team=b'])
    assert.ok('problem' in readScope({ prefix: '', labels }));
});

test('an edit of a user sends what was changed, and a password only when one was typed', () => {
  const user = {
    $typeName: 'penstock.v1.User' as const,
    name: 'ada',
    displayName: 'Ada',
    role: Role.VIEWER,
    disabled: true,
  };
  const typed = typedUser(user);
  assert.equal(changeOf(typed, user), undefined);
  assert.deepEqual(changeOf({ ...typed, role: Role.EDITOR }, user)?.updateMask?.paths, ['role']);
  const scoped = changeOf({ ...typed, scope: { prefix: 'a', labels: '' }, password: 'x'.repeat(12) }, user);
  assert.deepEqual(scoped?.updateMask?.paths, ['scope', 'password']);
  assert.equal(problemOf({ ...typed, password: 'short' }, user)?.includes('this one has 5'), true);
  assert.equal(problemOf(typed, user), undefined);
  assert.notEqual(problemOf(typed, undefined), undefined, 'a new one needs a password');
});

test('a scope that was not typed anew stays as it is, however it is written', () => {
  const scope = {
    $typeName: 'penstock.v1.Scope' as const,
    namePrefix: '',
    labels: { a: 'x, b=y', ' c': 'd ' },
  };
  const user = {
    $typeName: 'penstock.v1.User' as const,
    ...{ name: 'ada', displayName: 'Ada', role: Role.VIEWER, disabled: false, scope },
  };
  const typed = typedUser(user);
  assert.equal(changeOf(typed, user), undefined);
  const renamed = changeOf({ ...typed, displayName: 'Ada L.' }, user);
  assert.deepEqual([renamed?.updateMask?.paths, renamed?.user?.scope], [['display_name'], undefined]);
  const unreadable = { ...user, scope: { ...scope, labels: { '': 'x' } } };
  assert.equal(problemOf(typedUser(unreadable), unreadable), undefined);
  const narrowed = changeOf({ ...typed, scope: { prefix: 'north-', labels: 'a=1' } }, user);
  assert.deepEqual(narrowed?.updateMask?.paths, ['scope']);
  assert.deepEqual(narrowed?.user?.scope, { namePrefix: 'north-', labels: { a: '1' } });
  assert.notEqual(problemOf({ ...typed, scope: { prefix: '', labels: 'a' } }, user), undefined);
  const admin = changeOf({ ...typed, role: Role.ADMIN }, user);
  assert.deepEqual([admin?.updateMask?.paths, admin?.user?.scope], [['role', 'scope'], undefined]);
});

test('who may not call something is told which role it needs, or that a scope is too narrow', () => {
  const who = (role: Role, allowedMethods: string[]): Self => ({
    $typeName: 'penstock.v1.Self',
    name: 'ada',
    kind: CallerKind.USER,
    role,
    allowedMethods,
  });
  const viewer = who(Role.VIEWER, ['penstock.v1.IntegrationService/GetIntegration']);
  assert.equal(refusalOf(viewer, 'IntegrationService/GetIntegration'), undefined);
  assert.match(refusalOf(viewer, 'IntegrationService/RestartIntegration')!, /needs the role operator/);
  assert.match(refusalOf(viewer, 'TokenService/ListTokens')!, /needs the role admin/);
  const operator = who(Role.OPERATOR, viewer.allowedMethods);
  assert.match(
    refusalOf(operator, 'MessageService/PublishMessage')!,
    /more than the integrations of your scope/,
  );
  assert.equal(refusalOf(who(Role.VIEWER, []), 'TokenService/ListTokens'), undefined, 'not known yet');
});
