import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { SignJWT } from 'jose';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { CallerKind, Role } from '../../gen/penstock/v1/access_pb.ts';
import { authenticator } from '../../src/access/access.ts';
import type { OidcConfig } from '../../src/access/oidc-config.ts';
import type { Caller } from '../../src/rpc/caller.ts';
import { certificateAuthority } from '../helpers/certificates.ts';
import { oidcConfigFor, oidcForTests } from '../helpers/oidc.ts';
import { type OidcProviderForTests, oidcProvider, signingKey } from '../helpers/oidc-provider.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { INTEGRATION, rpcServerForTests } from '../helpers/rpc-server.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** A server that lets in by the provider's tokens, and ways to call it over gRPC and over HTTP. */
async function setUp(t: TestContext, provider: OidcProviderForTests, config: Partial<OidcConfig> = {}) {
  const own = oidcForTests(t, provider.issuer, config);
  const access = { isLoginRequired: true, bootstrapHash: undefined };
  const callers: Caller[] = [];
  const { client, url } = await rpcServerForTests(
    t,
    {
      createIntegration: (_, { caller }) => {
        callers.push(caller);
        return {};
      },
    },
    { authenticate: authenticator(access, { oidcTokens: own.oidc.tokens }) },
  );
  /** OK, or the code of the refusal, the same over gRPC and over HTTP. */
  const call = async (token: string) => {
    const [grpc, http] = [await overGrpc(token), await overHttp(token)];
    assert.equal(http, HTTP_STATUS[grpc], `HTTP answers ${http}`);
    return grpc;
  };
  const overGrpc = (token: string): Promise<keyof typeof HTTP_STATUS> =>
    client.createIntegration({ integration: INTEGRATION }, { token }).then(
      () => 'OK' as const,
      async (error) => nameOf((await rpcRejection(() => Promise.reject(error))).code),
    );
  const overHttp = async (token: string) => {
    const path = '/penstock.v1.IntegrationService/CreateIntegration';
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    const { name, topicFilters, configuration } = INTEGRATION;
    const integration = { name, topicFilters, http: configuration.value };
    const answer = await fetch(url + path, {
      method: 'POST',
      headers,
      body: JSON.stringify({ integration }),
    });
    return answer.status;
  };
  return { ...own, call, callers };
}

const nameOf = (code: Code) =>
  Object.entries(Code).find(([, one]) => one === code)?.[0] as keyof typeof HTTP_STATUS;

const HTTP_STATUS = { OK: 200, UNAUTHENTICATED: 401, PERMISSION_DENIED: 403, UNAVAILABLE: 503 };
const now = () => Math.floor(Date.now() / 1000);

test('a token of the provider lets its bearer in, by name and role', async (t) => {
  const provider = await oidcProvider(t);
  const { call, callers } = await setUp(t, provider);
  assert.equal(await call(await provider.token()), 'OK');
  const { name, kind, role, scope, address } = callers[0]!;
  assert.deepEqual([name, kind, role, scope], ['ada', CallerKind.OIDC, Role.ADMIN, undefined]);
  assert.equal(address, '127.0.0.1');
  assert.equal(await call(await provider.token({ groups: ['readers', 'others'] })), 'PERMISSION_DENIED');
  assert.equal(await call(await provider.token({ aud: ['another', 'penstock'] })), 'OK');
  assert.equal(await call(await provider.token({}, { typ: 'at+jwt' })), 'OK');
  for (const alg of ['PS256', 'ES256', 'ES384', 'EdDSA']) {
    const other = await oidcProvider(t);
    await other.rotate(false, alg);
    assert.equal(await (await setUp(t, other)).call(await other.token()), 'OK', alg);
  }
});

test('a token that is wrong in any way lets nobody in, with one answer, and the log says why', async (t) => {
  const provider = await oidcProvider(t);
  const { call, logged, metrics } = await setUp(t, provider);
  const good = await provider.token();
  const [head, body, signature] = good.split('.') as [string, string, string];
  const json = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const stranger = await signingKey('RS256', provider.keys[0]!.kid);
  const payload = JSON.parse(Buffer.from(body, 'base64url').toString());
  const publicKey = createPublicKey({ key: { ...provider.keys[0]!.jwk }, format: 'jwk' });
  const pem = Buffer.from(publicKey.export({ type: 'spki', format: 'pem' }));
  const admin = json({ ...payload, groups: ['admins'], sub: 'somebody else' });
  const wrong: Record<string, string> = {
    'its time is over': await provider.token({ exp: now() - 40 }),
    'its time has not begun': await provider.token({ nbf: now() + 40 }),
    'it never ends': await provider.token({ exp: undefined }),
    'it is for another audience': await provider.token({ aud: 'another' }),
    'it is for no audience': await provider.token({ aud: undefined }),
    'it is of another issuer': await provider.token({ iss: `${provider.issuer}/` }),
    'it has no signature': `${json({ alg: 'none' })}.${body}.`,
    'it has no signature, and says so in capitals': `${json({ alg: 'None' })}.${body}.`,
    'it is signed with the public key as a secret': await new SignJWT(payload)
      .setProtectedHeader({ alg: 'HS256', kid: provider.keys[0]!.kid })
      .sign(pem),
    'it is signed by somebody else with a key of this name': await new SignJWT(payload)
      .setProtectedHeader({ alg: 'RS256', kid: stranger.kid })
      .sign(stranger.privateKey),
    'it brings its own key': await new SignJWT(payload)
      .setProtectedHeader({ alg: 'RS256', jwk: stranger.jwk })
      .sign(stranger.privateKey),
    'what it says was changed': `${head}.${admin}.${signature}`,
    'it is cut off': good.slice(0, -10),
    'it ends after two parts': `${head}.${body}`,
    'it ends sessions': await provider.token({}, { typ: 'logout+jwt' }),
    'it is bound to a key': await provider.token({ cnf: { jkt: 'x' } }),
    'it has a critical header that nobody knows': await new SignJWT(payload)
      .setProtectedHeader({ alg: 'RS256', kid: provider.keys[0]!.kid, crit: ['x'], x: 1 })
      .sign(provider.keys[0]!.privateKey, { crit: { x: true } }),
    'it is garbage that looks like one': 'eyJhbGciOg.e30.x',
    'it is of somebody without a role': await provider.token({ groups: ['others'] }),
    'there is no claim of roles': await provider.token({ groups: undefined }),
    'it is of somebody without a name': await provider.token({ preferred_username: '', sub: 'a\nb' }),
  };
  for (const [why, token] of Object.entries(wrong)) assert.equal(await call(token), 'UNAUTHENTICATED', why);
  for (const groups of ['Admins', 7, true, null, { admins: 1 }, [['admins']], [{ name: 'admins' }]]) {
    assert.equal(await call(await provider.token({ groups })), 'UNAUTHENTICATED', JSON.stringify(groups));
  }
  assert.equal(await call(good), 'OK');
  assert.ok(logged.some((line) => line.includes('gives no role') && line.includes('"info"')));
  assert.ok(!logged.some((line) => line.includes(body)), 'no token is logged');
  const { values } = await metrics.oidcRefused.get();
  const reasons = new Set(values.map(({ labels }) => labels.reason));
  assert.deepEqual(reasons, new Set(['expired', 'claims', 'key', 'malformed', 'role']));
});

test('a token may be as long as a header, and is refused beyond it', async (t) => {
  const provider = await oidcProvider(t);
  const { oidc } = await setUp(t, provider);
  const long = await provider.token({ groups: ['admins', 'x'.repeat(10_000)] });
  assert.equal((await oidc.tokens.callerOf(long, ''))?.name, 'ada');
  const longer = await provider.token({ groups: ['admins', 'x'.repeat(100_000)] });
  assert.equal(await oidc.tokens.callerOf(longer, ''), undefined);
});

test('clocks may differ by 30 seconds', async (t) => {
  const provider = await oidcProvider(t);
  const { call } = await setUp(t, provider);
  assert.equal(await call(await provider.token({ exp: now() - 20 })), 'OK');
  assert.equal(await call(await provider.token({ nbf: now() + 20, iat: now() + 20 })), 'OK');
});

test('names and roles are found where the settings say', async (t) => {
  const provider = await oidcProvider(t);
  const { call, callers } = await setUp(t, provider, {
    rolesClaim: 'realm_access.roles',
    nameClaims: ['email', 'sub'],
  });
  const at = (roles: unknown, more = {}) =>
    provider.token({ realm_access: { roles }, email: 'ada@example.com', ...more });
  assert.equal(await call(await at(['admins'], { email_verified: true })), 'OK');
  assert.equal(await call(await at('admins', { email_verified: false })), 'OK');
  assert.deepEqual(
    new Set(callers.map(({ name }) => name)),
    new Set(['ada@example.com', 'u-1']),
    'an email that anybody could claim is no name',
  );
  assert.equal(await call(await provider.token({ realm_access: 'admins' })), 'UNAUTHENTICATED');
  const url = await setUp(t, provider, { rolesClaim: 'https://example.com/roles' });
  assert.equal(await url.call(await provider.token({ 'https://example.com/roles': ['admins'] })), 'OK');
});

test('keys that are rotated are found by the first token that needs them', async (t) => {
  const provider = await oidcProvider(t);
  const { call, leap } = await setUp(t, provider);
  const before = await provider.token();
  assert.equal(await call(before), 'OK');
  leap(31 * SECOND);
  await provider.rotate(true);
  assert.equal(await call(await provider.token()), 'OK');
  assert.equal(await call(before), 'OK', 'the key from before is still there');
  leap(31 * SECOND);
  await provider.rotate();
  assert.equal(await call(await provider.token()), 'OK');
  leap(5 * MINUTE); // a token that was known to be good is looked at anew
  const old = await provider.token({ exp: now() + 3600 });
  await provider.rotate();
  leap(10 * MINUTE);
  assert.equal(await call(old), 'UNAUTHENTICATED', 'its key was taken back');
});

test('tokens of keys that do not exist make nobody flood the provider', async (t) => {
  const provider = await oidcProvider(t);
  const { call, leap } = await setUp(t, provider);
  assert.equal(await call(await provider.token()), 'OK');
  leap(31 * SECOND);
  await Promise.all(
    Array.from({ length: 50 }, async (_, i) =>
      assert.equal(await call(await provider.token({}, { kid: `made up ${i}` })), 'UNAUTHENTICATED'),
    ),
  );
  assert.equal(provider.asked.get('/jwks'), 2);
});

test('a token that is known costs no look at the provider, until its time is over', async (t) => {
  const provider = await oidcProvider(t);
  const { call, leap, oidc } = await setUp(t, provider);
  const token = await provider.token({ exp: now() + 570 });
  assert.equal(await call(token), 'OK');
  let keys = 0;
  const current = oidc.provider.current.bind(oidc.provider);
  oidc.provider.current = () => {
    keys++;
    return current();
  };
  assert.equal(await call(token), 'OK');
  assert.equal(keys, 0);
  leap(6 * MINUTE);
  assert.equal(await call(token), 'OK');
  assert.ok(keys > 0, 'it is looked at anew');
  leap(5 * MINUTE - 30 * SECOND); // less than until the next look
  assert.equal(await call(token), 'UNAUTHENTICATED');
});

test('while the provider is away its keys go on for an hour, and nobody waits for it', async (t) => {
  const provider = await oidcProvider(t);
  const { call, leap, warnings, logged } = await setUp(t, provider);
  const token = () => provider.token({ exp: now() + 7200 });
  assert.equal(await call(await token()), 'OK');
  provider.fault = (_, response) => {
    response.writeHead(503).end();
    return true;
  };
  leap(11 * MINUTE);
  assert.equal(await call(await token()), 'OK');
  assert.match(warnings.all().join(), /answers 503/);
  assert.ok(logged.some((line) => line.includes('does not answer as it should')));
  const silent: ServerResponse[] = [];
  provider.fault = (_, response) => silent.push(response) > 0; // it says nothing at all
  leap(40 * MINUTE);
  assert.equal(await call(await token()), 'OK');
  assert.deepEqual(
    silent.map(({ closed }) => closed),
    [false],
    'it is still being asked',
  );
  leap(10 * MINUTE);
  provider.stop();
  assert.equal(await call(await token()), 'UNAVAILABLE');
});

test('a node that never saw the provider says so, and lets in once it answers', async (t) => {
  const provider = await oidcProvider(t);
  provider.fault = (path, response) => {
    if (path !== '/jwks') return false;
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"keys": [{');
    return true;
  };
  const { call, leap, warnings } = await setUp(t, provider);
  assert.equal(await call(await provider.token()), 'UNAVAILABLE');
  assert.equal(await call('pst_nobody'), 'UNAUTHENTICATED', 'what it does not need the provider for');
  const broken: [Readonly<Record<string, unknown>>, RegExp][] = [
    [{ issuer: 'https://another.example' }, /set PENSTOCK_OIDC_ISSUER to exactly that/],
    [{ jwks_uri: 'http://keys.example/jwks' }, /no jwks_uri that is an https URL/],
    [{ jwks_uri: undefined }, /no jwks_uri/],
    [{ padding: 'x'.repeat(600_000) }, /longer than/],
  ];
  provider.fault = undefined;
  for (const [metadata, told] of broken) {
    provider.metadata = metadata;
    leap(6 * SECOND);
    assert.equal(await call(await provider.token()), 'UNAVAILABLE');
    assert.match(warnings.all().join(), told);
  }
  provider.metadata = {};
  leap(6 * SECOND);
  assert.equal(await call(await provider.token()), 'OK');
  assert.deepEqual(warnings.all(), []);
});

test('a key of another kind, or broken ones, among the keys harm nobody', async (t) => {
  const provider = await oidcProvider(t);
  const [good] = provider.keys;
  const secret = { kid: 'secret', alg: 'HS256', privateKey: good!.privateKey };
  provider.keys = [
    {
      ...secret,
      jwk: { kty: 'oct', k: Buffer.from('known to everybody').toString('base64url'), kid: 'secret' },
    },
    { ...secret, kid: 'broken', jwk: { kty: 'RSA', n: '!', e: 'AQAB', kid: 'broken' } },
    good!,
  ];
  const { call } = await setUp(t, provider);
  assert.equal(await call(await provider.token()), 'OK');
  assert.equal(await call(await provider.token({}, { kid: 'broken' })), 'UNAUTHENTICATED');
  const forged = await new SignJWT({
    aud: 'penstock',
    iss: provider.issuer,
    exp: now() + 60,
    sub: 'x',
    groups: ['admins'],
  })
    .setProtectedHeader({ alg: 'HS256', kid: 'secret' })
    .sign(Buffer.from('known to everybody'));
  assert.equal(await call(forged), 'UNAUTHENTICATED');
});

test('a provider is trusted by the authorities of the settings alone', async (t) => {
  const authority = await certificateAuthority(t);
  const provider = await oidcProvider(t, authority.issue('login'));
  const trusting = await setUp(t, provider, { tls: () => ({ ca: authority.ca }) });
  assert.equal(await trusting.call(await provider.token()), 'OK');
  const { call, warnings } = await setUp(t, provider);
  assert.equal(await call(await provider.token()), 'UNAVAILABLE');
  assert.match(warnings.all().join(), /certificate/);
  assert.equal(oidcConfigFor(provider.issuer).tls, undefined);
});

test('a provider that says nothing keeps a caller no longer than its deadline', {
  timeout: 30_000,
}, async (t) => {
  const provider = await oidcProvider(t);
  provider.fault = () => true;
  const { call, oidc } = await setUp(t, provider);
  const calls = Array.from({ length: 20 }, async () => call(await provider.token()));
  await waitUntil('it was asked', () => provider.asked.size === 1);
  assert.deepEqual(new Set(await Promise.all(calls)), new Set(['UNAVAILABLE']));
  assert.ok(oidc);
  assert.deepEqual(
    [...provider.asked.values()].filter((asked) => asked > 2),
    [],
  );
});
