import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Role } from '../../gen/penstock/v1/access_pb.ts';
import { ruleOf } from '../../src/rpc/policy.ts';
import { eachOf } from '../helpers/api-faces.ts';
import { facesOf } from '../helpers/guarded-faces.ts';
import { BOOTSTRAP, credentialsAt, securedInstallation } from '../helpers/secured-node.ts';

const DENIED = {
  gRPC: /"grpc-status":"7",.*"grpc-status-details-bin":"[^"]+"/,
  HTTP: /^HTTP\/1\.1 (403 Forbidden\r\n|200 OK\r\n.*application\/connect).*"code":"permission_denied"/s,
};

test('who has too low a role, or a scope where there may be none, is denied every method that is above it, and told no more', {
  timeout: 120_000,
}, async (t) => {
  const { postgresUrl, start } = await securedInstallation(t);
  const node = await start();
  const good = await credentialsAt(t, node, postgresUrl);
  const faces = await facesOf(t, node, { token: BOOTSTRAP, id: good.integrationId });
  const callers = [];
  for (const role of [Role.VIEWER, Role.OPERATOR, Role.EDITOR]) {
    callers.push({ role, isScoped: false, token: (await good.tokenOf(`role ${role}`, role)).value });
  }
  const scoped = await good.tokenOf('scoped', Role.EDITOR, { scope: { namePrefix: 'k' } });
  callers.push({ role: Role.EDITOR, isScoped: true, token: scoped.value });
  let count = 0;
  for (const { role, isScoped, token } of callers) {
    const denied = faces.filter(({ method, what }) => {
      // A PATCH without anything in it is told so to whoever may call at all.
      if (method === undefined || what.startsWith('PATCH')) return false;
      const rule = ruleOf(method);
      return role < rule.role! || (isScoped && rule.isWhole);
    });
    count += denied.length;
    await eachOf(denied, 8, async ({ face, what, ask }) => {
      // What a REST body is read from is told to whoever may call at all.
      for (const index of what.includes(' /api/') ? [0] : [0, 1]) {
        const answer = await ask({ authorization: `Bearer ${token}` }, index);
        assert.match(answer, DENIED[face], `role ${role}${isScoped ? ', scoped' : ''}: ${what}`);
        assert.doesNotMatch(answer, /kept|restEndpointUrl/);
      }
    });
  }
  assert.ok(count > 150, `${count}`);
});

test('what is open answers whoever asks, whatever is shown with it', { timeout: 120_000 }, async (t) => {
  const { start } = await securedInstallation(t);
  const { httpAddress } = await start();
  const url = `http://${httpAddress}`;
  const call = (method: string, body: object, headers: object) =>
    fetch(`${url}/penstock.v1.AuthService/${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  for (const headers of [{}, { authorization: 'Bearer pst_x' }, { cookie: 'penstock_session=x' }]) {
    for (const path of ['/health/live', '/health/ready']) {
      assert.equal((await fetch(url + path, { headers })).status, 200, path);
    }
    const methods = await call('GetLoginMethods', {}, headers);
    assert.equal(((await methods.json()) as { loginRequired: boolean }).loginRequired, true);
    const refused = await call('CreateSession', { token: { value: 'pst_x' } }, headers);
    assert.match(await refused.text(), /LOGIN_FAILED/);
    const begun = await call('CreateSession', { token: { value: BOOTSTRAP } }, headers);
    assert.equal(begun.status, 200);
    assert.match(begun.headers.get('set-cookie') ?? '', /^penstock_session=/);
  }
});
