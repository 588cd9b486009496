import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { CallerKind, Role } from '../../gen/penstock/v1/access_pb.ts';
import { AuditService } from '../../gen/penstock/v1/audit_service_pb.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { controlPlaneForTests } from '../helpers/control-plane.ts';
import { LoginBrowser } from '../helpers/login-browser.ts';
import { oidcForTests } from '../helpers/oidc.ts';
import { oidcProvider } from '../helpers/oidc-provider.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';

const SELF = '/penstock.v1.AuthService/GetSelf?connect=v1&encoding=json&message=%7B%7D';

test('who logged in at the provider is known to every control plane, with the role of then', {
  timeout: 120_000,
}, async (t) => {
  const provider = await oidcProvider(t);
  provider.claims = { ...provider.claims, groups: ['readers'] };
  const { oidc } = oidcForTests(t, provider.issuer);
  const access = { isLoginRequired: true, bootstrapHash: undefined, oidc: oidc.config };
  const first = await controlPlaneForTests(t, { access, oidc });
  const { postgresUrl } = first;
  const second = await controlPlaneForTests(t, { access, oidc, postgresUrl, serviceId: 'second' }, first);
  const urls = [first, second].map(({ server }) => `http://${server.httpAddress}`);

  const methods = await first.auth.getLoginMethods({});
  assert.deepEqual([methods.loginRequired, methods.oidc, methods.oidcName], [true, true, 'the test']);
  const browser = new LoginBrowser();
  assert.equal((await browser.get(`${urls[0]}${SELF}`)).status, 401);
  assert.equal((await browser.follow(`${urls[0]}/login/oidc`)).status, 200);
  const cookie = `penstock_session=${browser.cookie(urls[0]!, 'penstock_session')}`;
  provider.stop(); // a session needs it no more
  for (const url of urls) {
    const { status, text } = await new LoginBrowser().get(`${url}${SELF}`, { cookie });
    assert.equal(status, 200);
    const { name, kind, role } = JSON.parse(text).self;
    assert.deepEqual([name, kind, role], ['ada', 'CALLER_KIND_OIDC', 'ROLE_VIEWER']);
  }
  const without = { access: { isLoginRequired: true, bootstrapHash: undefined }, serviceId: 'third' };
  const third = await controlPlaneForTests(t, { ...without, postgresUrl }, first);
  const elsewhere = await new LoginBrowser().get(`http://${third.server.httpAddress}${SELF}`, { cookie });
  assert.equal(elsewhere.status, 401, 'a node without the provider knows nobody by it');
  const changing = await fetch(`${urls[1]}/penstock.v1.IntegrationService/DeleteIntegration`, {
    method: 'POST',
    headers: { cookie, origin: urls[1]!, 'content-type': 'application/json' },
    body: JSON.stringify({ id: crypto.randomUUID() }),
  });
  assert.equal(changing.status, 403, 'a viewer changes nothing');

  const token = await provider.token({ groups: ['admins'] });
  using audit = createClient(AuditService, second.server.grpcAddress);
  const { records } = await audit.listAuditRecords({ filter: { caller: 'ada' } }, { token });
  assert.deepEqual(
    records.map(({ method, callerKind, reason }) => [method, callerKind, reason]),
    [
      ['penstock.v1.IntegrationService/DeleteIntegration', CallerKind.OIDC, 'ROLE_NEEDED'],
      ['/login/oidc', CallerKind.OIDC, ''],
    ],
  );
  const { self } = await second.auth.getSelf({}, { token });
  assert.deepEqual([self?.name, self?.kind, self?.role], ['ada', CallerKind.OIDC, Role.ADMIN]);
  const refused = await rpcRejection(() =>
    second.auth.changePassword({ currentPassword: 'x', newPassword: 'long enough for it' }, { token }),
  );
  assert.equal(refused.code, Code.FAILED_PRECONDITION);
});
