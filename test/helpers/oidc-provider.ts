import { createHash, randomUUID, type webcrypto } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';
import type { Certificate } from './certificates.ts';
import { onEnd } from './on-end.ts';

export const CLIENT_ID = 'penstock';
export const CLIENT_SECRET = 'secret of: penstock+';

interface SigningKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: webcrypto.CryptoKey;
  readonly jwk: JWK;
}

/** What somebody agreed to at the provider. */
interface Grant {
  readonly redirectUri: string;
  readonly challenge: string;
  readonly nonce: string;
}

export async function signingKey(alg = 'RS256', kid: string = randomUUID()): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' };
  return { kid, alg, privateKey, jwk };
}

/** An OpenID Connect provider, over TLS with a certificate. Everything that it does may be made wrong. */
export async function oidcProvider(t: TestContext, certificate?: Certificate) {
  let key = await signingKey();
  const grants = new Map<string, Grant>();
  const provider = {
    issuer: '',
    /** Requests so far, by path. */
    asked: new Map<string, number>(),
    /** Answers instead of the provider; false: as usual. */
    fault: undefined as ((path: string, response: ServerResponse) => boolean) | undefined,
    keys: [key] as SigningKey[],
    /** In every ID token, beside what belongs into it. */
    claims: { sub: 'u-1', preferred_username: 'ada', groups: ['admins'] } as JWTPayload,
    /** The error that browsers are sent back with. */
    refusal: undefined as string | undefined,
    /** Beside what belongs into discovery. */
    metadata: {} as Readonly<Record<string, unknown>>,
    /** Signs with another key from now on; the one from before goes unless it stays. */
    async rotate(stays = false, alg = 'RS256') {
      key = await signingKey(alg);
      provider.keys = stays ? [...provider.keys, key] : [key];
    },
    /** An access token, good unless the claims make it something else; undefined takes a claim away. */
    token(claims: Readonly<Record<string, unknown>> = {}, header: Readonly<Record<string, unknown>> = {}) {
      return sign({ aud: CLIENT_ID, ...provider.claims, ...claims }, header);
    },
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
  const sign = (
    claims: Readonly<Record<string, unknown>>,
    header: Readonly<Record<string, unknown>> = {},
  ) => {
    const now = Math.floor(Date.now() / 1000);
    const all = { iss: provider.issuer, iat: now, exp: now + 300, ...claims };
    return new SignJWT(JSON.parse(JSON.stringify(all)))
      .setProtectedHeader({ alg: key.alg, kid: key.kid, ...header })
      .sign(key.privateKey);
  };

  const pages: Record<string, (url: URL, request: IncomingMessage, response: ServerResponse) => unknown> = {
    '/.well-known/openid-configuration': () => ({
      issuer: provider.issuer,
      jwks_uri: `${provider.issuer}/jwks`,
      authorization_endpoint: `${provider.issuer}/authorize`,
      token_endpoint: `${provider.issuer}/token`,
      authorization_response_iss_parameter_supported: true,
      ...provider.metadata,
    }),
    '/jwks': () => ({ keys: provider.keys.map(({ jwk }) => jwk) }),
    '/authorize': ({ searchParams: asked }, _, response) => {
      const back = new URL(asked.get('redirect_uri') ?? '');
      back.searchParams.set('state', asked.get('state') ?? '');
      back.searchParams.set('iss', provider.issuer);
      if (provider.refusal === undefined) {
        const code = randomUUID();
        const challenge = asked.get('code_challenge_method') === 'S256' ? asked.get('code_challenge') : null;
        grants.set(code, {
          redirectUri: asked.get('redirect_uri') ?? '',
          challenge: challenge ?? '',
          nonce: asked.get('nonce') ?? '',
        });
        back.searchParams.set('code', code);
      } else {
        back.searchParams.set('error', provider.refusal);
        back.searchParams.set('error_description', '<b>what the provider says</b>');
      }
      response.writeHead(302, { location: back.href }).end();
      return undefined;
    },
    '/token': async (_, request, response) => {
      const form = new URLSearchParams(await text(request));
      const grant = grants.get(form.get('code') ?? '');
      grants.delete(form.get('code') ?? '');
      const isGood =
        grant !== undefined &&
        isClient(request.headers.authorization) &&
        form.get('redirect_uri') === grant.redirectUri &&
        createHash('sha256')
          .update(form.get('code_verifier') ?? '')
          .digest('base64url') === grant.challenge;
      if (!isGood) {
        response.writeHead(400, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ error: 'invalid_grant' }));
        return undefined;
      }
      const id_token = await sign({ aud: CLIENT_ID, nonce: grant.nonce, ...provider.claims });
      return { access_token: 'opaque', token_type: 'Bearer', expires_in: 300, id_token };
    },
  };
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? '/', provider.issuer);
    provider.asked.set(url.pathname, (provider.asked.get(url.pathname) ?? 0) + 1);
    if (provider.fault?.(url.pathname, response)) return;
    const value = await pages[url.pathname]?.(url, request, response);
    if (response.headersSent) return;
    response.writeHead(value ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(value ?? {}));
  };
  const server = certificate ? createTlsServer(certificate, answer) : createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onEnd(t, provider.stop);
  const { port } = server.address() as AddressInfo;
  provider.issuer = `${certificate ? 'https' : 'http'}://127.0.0.1:${port}`;
  return provider;
}

export type OidcProviderForTests = Awaited<ReturnType<typeof oidcProvider>>;

/** Id and secret are form-encoded before they go into the header (RFC 6749 section 2.3.1). */
function isClient(authorization = ''): boolean {
  const form = (value: string) => new URLSearchParams({ '': value }).toString().slice(1);
  const basic = Buffer.from(`${form(CLIENT_ID)}:${form(CLIENT_SECRET)}`).toString('base64');
  return authorization === `Basic ${basic}`;
}
