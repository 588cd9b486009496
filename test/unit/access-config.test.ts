import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Role } from '../../gen/penstock/v1/access_pb.ts';
import { accessConfig } from '../../src/access/access.ts';
import { namesOf } from '../../src/access/certificates.ts';
import { readSettings } from '../../src/runtime/settings.ts';
import { UserError } from '../../src/runtime/user-error.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { testDeps } from '../helpers/test-deps.ts';

const { logger } = testDeps();
const configOf = (given: Readonly<Record<string, string>>) => accessConfig(readSettings({}, given), logger);

const OIDC = {
  PENSTOCK_OIDC_ISSUER: 'https://login.example.com/realms/main',
  PENSTOCK_OIDC_CLIENT_ID: 'penstock',
  PENSTOCK_OIDC_ROLES: 'penstock-admins=admin, CN=ops,OU=x=Editor',
};
const CERTIFICATES = {
  PENSTOCK_TLS_CLIENT_CA_FILE: '/clients.crt',
  PENSTOCK_TLS_CLIENT_ROLES: 'spiffe://example/pipeline?x=y=editor,*=viewer',
};

test('a provider, or roles of certificates, make a login required', () => {
  assert.equal(configOf({}).isLoginRequired, false);
  assert.equal(configOf({ PENSTOCK_TLS_CLIENT_CA_FILE: '/clients.crt' }).isLoginRequired, false);
  const byCertificate = configOf(CERTIFICATES);
  assert.equal(byCertificate.isLoginRequired, true);
  assert.deepEqual(
    [...byCertificate.certificateRoles!],
    [
      ['spiffe://example/pipeline?x=y', Role.EDITOR],
      ['*', Role.VIEWER],
    ],
  );
  const { isLoginRequired, oidc } = configOf({ ...OIDC, PENSTOCK_OIDC_ROLES: 'penstock-admins=admin' });
  assert.equal(isLoginRequired, true);
  assert.deepEqual(
    [oidc?.audience, oidc?.client?.id, oidc?.client?.secret(), oidc?.client?.redirectUrl],
    ['penstock', 'penstock', undefined, undefined],
  );
  assert.deepEqual(oidc?.roles, new Map([['penstock-admins', Role.ADMIN]]));
  const program = configOf({
    ...OIDC,
    ...{ PENSTOCK_OIDC_ROLES: 'a=viewer' },
    PENSTOCK_OIDC_CLIENT_ID: '',
    PENSTOCK_OIDC_AUDIENCE: 'api',
  });
  assert.deepEqual([program.oidc?.audience, program.oidc?.client], ['api', undefined]);
});

test('settings of a login that are missing or contradict each other end the start with what to do', () => {
  const roles = { ...OIDC, PENSTOCK_OIDC_ROLES: 'a=admin' };
  const wrong: [Readonly<Record<string, string>>, RegExp][] = [
    [OIDC, /CN=ops must be name=role|OU=x=Editor/],
    [{ PENSTOCK_OIDC_ROLES: 'a=admin' }, /PENSTOCK_OIDC_ROLES is set, but not PENSTOCK_OIDC_ISSUER/],
    [{ PENSTOCK_OIDC_CLIENT_SECRET_FILE: '/x' }, /CLIENT_SECRET_FILE is set, but not PENSTOCK_OIDC_ISSUER/],
    [{ ...roles, PENSTOCK_OIDC_ISSUER: 'http://login.example.com' }, /must be an https URL/],
    [{ ...roles, PENSTOCK_OIDC_ISSUER: 'https://login.example.com/?realm=x' }, /must be an https URL/],
    [{ ...roles, PENSTOCK_OIDC_ISSUER: 'login.example.com' }, /must be an https URL/],
    [{ ...roles, PENSTOCK_OIDC_CLIENT_ID: '' }, /set one or both/],
    [{ ...roles, PENSTOCK_OIDC_ROLES: '' }, /nobody would be let in/],
    [{ ...roles, PENSTOCK_OIDC_ROLES: 'a=owner' }, /with a role of viewer, operator, editor, admin/],
    [{ ...roles, PENSTOCK_OIDC_ROLES: 'a=admin,a=viewer' }, /names a twice/],
    [{ ...roles, PENSTOCK_OIDC_SCOPES: 'profile' }, /must name openid/],
    [{ ...roles, PENSTOCK_OIDC_CLIENT_SECRET: 'x', PENSTOCK_OIDC_CLIENT_SECRET_FILE: 'y' }, /not both/],
    [{ ...roles, PENSTOCK_OIDC_CLIENT_SECRET_FILE: '/none' }, /CLIENT_SECRET_FILE cannot be read/],
    [{ ...roles, PENSTOCK_OIDC_CA_FILE: '/none' }, /PENSTOCK_OIDC_CA_FILE cannot be read/],
    [{ ...roles, PENSTOCK_OIDC_REDIRECT_URL: 'https://a.example/' }, /must have the path/],
    [
      {
        ...roles,
        PENSTOCK_OIDC_CLIENT_ID: '',
        PENSTOCK_OIDC_AUDIENCE: 'api',
        PENSTOCK_OIDC_CLIENT_SECRET: 'x',
      },
      /CLIENT_SECRET is set, but not PENSTOCK_OIDC_CLIENT_ID/,
    ],
    [{ PENSTOCK_TLS_CLIENT_ROLES: 'a=viewer' }, /TLS_CLIENT_ROLES needs PENSTOCK_TLS_CLIENT_CA_FILE/],
    [{ PENSTOCK_TLS_CLIENT_CERT: 'optional' }, /optional needs PENSTOCK_TLS_CLIENT_CA_FILE/],
    [
      { PENSTOCK_TLS_CLIENT_CA_FILE: '/clients.crt', PENSTOCK_TLS_CLIENT_CERT: 'optional' },
      /good for nothing without PENSTOCK_TLS_CLIENT_ROLES/,
    ],
    [{ ...CERTIFICATES, PENSTOCK_TLS_CLIENT_ROLES: '=viewer' }, /must be name=role/],
  ];
  for (const [given, told] of wrong) {
    assert.throws(
      () => configOf(given),
      (error) => error instanceof UserError && told.test(error.message),
      JSON.stringify(given),
    );
  }
  configOf({ ...roles, PENSTOCK_OIDC_ISSUER: 'http://127.0.0.1:8090/realms/main' });
});

/** A certificate that says so of whom it is. */
async function certificateOf(
  t: TestContext,
  lines: readonly string[],
  subject = '/O=none',
): Promise<X509Certificate> {
  const path = join(await temporaryDirectory(t), 'file');
  writeFileSync(
    path,
    ['[req]', 'distinguished_name=dn', '[dn]', '[ext]', 'subjectAltName=@alt', '[alt]', ...lines].join('\n'),
  );
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${path}.key`];
  const out = [
    '-out',
    `${path}.crt`,
    '-config',
    path,
    '-extensions',
    'ext',
    '-subj',
    subject,
    '-multivalue-rdn',
  ];
  execFileSync('openssl', ['req', '-x509', ...key, ...out], { stdio: 'pipe' });
  return new X509Certificate(readFileSync(`${path}.crt`));
}

test('the names in a certificate are read as they are, also when one looks like several', async (t) => {
  const sly = await certificateOf(
    t,
    [
      'URI.1=spiffe://a/x, DNS:admin.example',
      'DNS.1=b.example',
      'DNS.2=*.c.example',
      'email.1=d@example.com',
      'IP.1=10.0.0.1',
    ],
    '/CN=first/CN=URI:spiffe:\\/\\/boss, DNS:boss',
  );
  assert.deepEqual(namesOf(sly), [
    'spiffe://a/x, DNS:admin.example',
    'b.example',
    '*.c.example',
    'first',
    'URI:spiffe://boss, DNS:boss',
  ]);
  assert.deepEqual(namesOf(await certificateOf(t, ['DNS.1=*', 'URI.1=\\"x:a'], '/CN=*')), ['"x:a']);
});
