import { createHash, randomBytes } from 'node:crypto';
import { SignJWT } from 'jose';
import { CLIENT_SECRET, type OidcProviderForTests, signingKey } from './oidc-provider.ts';
import { BOOTSTRAP, type credentialsAt, METRICS_TOKEN, PASSWORD } from './secured-node.ts';

/** Something that is shown, and lets nobody in. */
export interface BadCredential {
  readonly name: string;
  readonly headers: Readonly<Record<string, string>>;
  /** A cookie lets in who reads without more: then only what may change something is refused. */
  readonly isForWrites?: boolean;
}

type Good = Awaited<ReturnType<typeof credentialsAt>>;

const bearer = (name: string, token: string): BadCredential => ({
  name,
  headers: { authorization: `Bearer ${token}` },
});

const authorization = (name: string, value: string): BadCredential => ({
  name,
  headers: { authorization: value },
});

const sha256 = (text: string, encoding: 'hex' | 'base64') =>
  createHash('sha256').update(text).digest(encoding);

/** What is no API token, or one no more. */
export function badTokens({ admin, revoked, expired, sessions }: Good): readonly BadCredential[] {
  const good = admin.value;
  const last = good.endsWith('A') ? 'B' : 'A';
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
  const [, session = ''] = sessions.good.cookie!.split('=');
  return [
    { name: 'nothing', headers: {} },
    authorization('an empty header', ''),
    authorization('a scheme alone', 'Bearer'),
    authorization('another scheme', `Token ${good}`),
    authorization('a token without a scheme', good),
    authorization('a token as a password', basic(`admin:${good}`)),
    authorization('a token as a user', basic(`${good}:`)),
    authorization('a name and a password', basic(`good:${PASSWORD}`)),
    authorization('digest', 'Digest username="admin", realm="x", nonce="", uri="/", response=""'),
    bearer('a token in quotes', `"${good}"`),
    bearer('a token twice', `${good} ${good}`),
    bearer('two tokens with a comma', `${good}, Bearer ${good}`),
    bearer('a token and a parameter', `${good};a=b`),
    bearer('the beginning that tokens have', 'pst_'),
    bearer('a token without its beginning', good.slice(4)),
    bearer('half a token', good.slice(0, good.length / 2)),
    bearer('a token without its last character', good.slice(0, -1)),
    bearer('a token with one character more', `${good}A`),
    bearer('a token with another last character', good.slice(0, -1) + last),
    bearer('a token in capitals', good.toUpperCase()),
    bearer('a token turned round', [...good].reverse().join('')),
    bearer('a token that was guessed', `pst_${randomBytes(32).toString('base64url')}`),
    bearer('the hash of a token', sha256(good, 'base64')),
    bearer('the hash of a token in hex', sha256(good, 'hex')),
    bearer('the id of a token', admin.id),
    bearer('the name of a token', 'admin'),
    bearer('a token in base64', Buffer.from(good).toString('base64')),
    bearer('a token with percents', encodeURIComponent(good).replaceAll('_', '%5F')),
    bearer('what is not ASCII', `${good.slice(0, -1)}é`),
    bearer('a long one', good.repeat(170)),
    bearer('a token that was revoked', revoked.value),
    bearer('a token whose time is over', expired.value),
    bearer('the bootstrap token, cut off', BOOTSTRAP.slice(0, -1)),
    bearer('the bootstrap token and more', `${BOOTSTRAP}0`),
    bearer('the hash of the bootstrap token', sha256(BOOTSTRAP, 'hex')),
    bearer('the token for the figures', METRICS_TOKEN),
    bearer('a session', session),
    bearer('a password', PASSWORD),
    bearer('the secret of the OIDC client', 'secret-of-the-client'),
    { name: 'a token in headers of others', headers: { 'x-api-key': good, 'x-access-token': good } },
    { name: 'a token for a proxy', headers: { 'proxy-authorization': `Bearer ${good}` } },
    { name: 'a token as a cookie', headers: { cookie: `access_token=${good}` } },
    { name: 'a name that a proxy says', headers: { 'x-forwarded-user': 'good', 'x-remote-user': 'good' } },
  ];
}

/** Tokens of a provider that are not for here, not now, or not the provider's. */
export async function badJwts(
  provider: OidcProviderForTests,
  withdrawn: string,
): Promise<readonly BadCredential[]> {
  const now = Math.floor(Date.now() / 1000);
  const good = await provider.token();
  const [head = '', body = '', signature = ''] = good.split('.');
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString());
  const { kid, jwk, privateKey } = provider.keys[0]!;
  const own = await signingKey('RS256', kid);
  const sign = (header: object, key: Parameters<SignJWT['sign']>[0] = own.privateKey) =>
    new SignJWT(claims).setProtectedHeader({ alg: 'RS256', ...header }).sign(key);
  const refused: Record<string, string> = {
    'of a key that was withdrawn': withdrawn,
    'whose time is over': await provider.token({ exp: now - 60 }),
    'whose time has not come': await provider.token({ nbf: now + 600 }),
    'without an end': await provider.token({ exp: undefined }),
    'with an end that is a text': `${head}.${part({ ...claims, exp: `${now + 300}` })}.${signature}`,
    'for another audience': await provider.token({ aud: 'another' }),
    'for other audiences': await provider.token({ aud: ['another', 'penstocks'], azp: 'penstock' }),
    'for no audience': await provider.token({ aud: undefined }),
    'of another issuer': await provider.token({ iss: 'https://evil.example' }),
    'of an issuer with a slash': await provider.token({ iss: `${provider.issuer}/` }),
    'of no issuer': await provider.token({ iss: undefined }),
    'with alg none': `${part({ alg: 'none' })}.${body}.`,
    'with alg NoNe and a signature': `${part({ alg: 'NoNe', kid })}.${body}.${signature}`,
    'signed with the public key as a secret': await sign(
      { alg: 'HS256', kid },
      Buffer.from(JSON.stringify(jwk)),
    ),
    'signed with the secret of the client': await sign({ alg: 'HS256', kid }, padded(CLIENT_SECRET)),
    'signed with a key of the same id': await sign({ kid }),
    'signed with a key that nobody knows': await sign({ kid: 'unknown' }),
    'signed with a key without an id': await sign({}),
    'with its own key in it': await sign({ jwk: own.jwk }),
    'that says where its key is': await sign({ kid, jku: 'http://127.0.0.1:9/jwks' }),
    'with a header that must be understood': await new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', kid, crit: ['own'], own: 1 })
      .sign(privateKey, { crit: { own: true } }),
    'of another type': await provider.token({}, { typ: 'logout+jwt' }),
    'bound to a key': await provider.token({ cnf: { jkt: 'x' } }),
    'with half a signature': `${head}.${body}.${signature.slice(0, signature.length / 2)}`,
    'without a signature': `${head}.${body}.`,
    'with other claims': `${head}.${part({ ...claims, sub: 'u-2' })}.${signature}`,
    'with another header': `${part({ alg: 'RS256', kid, typ: 'JWT' })}.${body}.${signature}`,
    'of two parts': `${head}.${body}`,
    'of four parts': `${good}.${signature}`,
    'of five parts': `${part({ alg: 'RSA-OAEP', enc: 'A256GCM' })}.a.b.c.d`,
    'with padding': `${good}==`,
    'without claims': `${head}..${signature}`,
    'with a header that is no JSON': `eyJ.${body}.${signature}`,
    'of somebody without a role': await provider.token({ groups: ['others'] }),
    'of somebody without groups': await provider.token({ groups: undefined }),
    'with groups inside others': await provider.token({ groups: [['admins']] }),
    'with groups as keys': await provider.token({ groups: { admins: true } }),
    'of nobody with a name': await provider.token({ preferred_username: undefined, sub: undefined }),
    'of a name that breaks lines': await provider.token({ preferred_username: 'a\nb', sub: undefined }),
  };
  return Object.entries(refused).map(([name, token]) => bearer(`a JWT ${name}`, token));
}

/** HS256 takes no shorter ones. */
const padded = (secret: string) => Buffer.from(secret.padEnd(32, '\0'));

/** Cookies of sessions that are over, or that a page elsewhere has the browser send. */
export function badCookies({ sessions }: Good): readonly BadCredential[] {
  const { good, loggedOut, disabled, deleted, otherPassword, late } = sessions;
  const origin = good.url;
  const cookie = good.cookie!;
  const [, session = ''] = cookie.split('=');
  const own = (name: string, value: string): BadCredential => ({ name, headers: { cookie: value, origin } });
  const elsewhere = (name: string, more: Record<string, string>, isForWrites = false): BadCredential => ({
    name: `a cookie with ${name}`,
    headers: { cookie, ...more },
    isForWrites,
  });
  return [
    own('a session that was ended', loggedOut.cookie!),
    own('a session of a user who is disabled', disabled.cookie!),
    own('a session of a user who is gone', deleted.cookie!),
    own('a session from before another password', otherPassword.cookie!),
    own('a session whose time is over', late.cookie!),
    own('two sessions', `${cookie}; ${cookie}`),
    own('a session, cut off', cookie.slice(0, -1)),
    own('a session in quotes', `penstock_session="${session}"`),
    own('a session that was guessed', `penstock_session=${randomBytes(32).toString('base64url')}`),
    own('the hash of a session', `penstock_session=${sha256(session, 'base64')}`),
    own('a session of another name', `__Host-penstock_session=${session}`),
    own('a login that was begun', `penstock_login=${session}`),
    elsewhere('no proof that its page is one of this host', {}, true),
    elsewhere('a person who asks for a change', { 'sec-fetch-site': 'none' }, true),
    elsewhere('the origin of another port', { origin: 'http://127.0.0.1:1' }),
    elsewhere('the word that its page is of another site', { 'sec-fetch-site': 'cross-site', origin }),
    elsewhere('the word that its page is of another host', { 'sec-fetch-site': 'same-site' }),
    elsewhere('a token that is wrong', { origin, authorization: 'Bearer pst_x' }),
  ];
}
