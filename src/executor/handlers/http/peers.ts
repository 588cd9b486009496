import { getCACertificates } from 'node:tls';
import { ClientAuthentication, type OAuth2Credentials } from '../../../../gen/penstock/v1/credentials_pb.ts';
import type { HttpConfiguration } from '../../../../gen/penstock/v1/http_pb.ts';
import { dialer } from '../../../runtime/dial.ts';
import type { PemOptions } from '../../../runtime/pem.ts';
import type { HandlerContext } from '../handler.ts';
import { OAuth2Tokens } from '../oauth2.ts';
import { pemOptions } from '../tls.ts';
import { basicAuthorization } from './authorization.ts';
import { type HttpProxy, tunnelDialer } from './proxy.ts';

/** The certificates for connections to the endpoint. */
export function pemOf({ credentials, tls }: HttpConfiguration): PemOptions {
  const own = credentials?.credentials;
  if (own?.case === 'pem') return pemOptions(own.value);
  return tls ? pemOptions(tls) : {};
}

export function proxyOf(config: HttpConfiguration): HttpProxy | undefined {
  const { proxyUrl, proxyCredentials } = config;
  if (proxyUrl === '') return undefined;
  return {
    url: new URL(proxyUrl),
    authorization: proxyCredentials && basicAuthorization(proxyCredentials),
    tls: trustOf(config),
  };
}

/** The tokens of an OAuth 2.0 client, asked for through the same proxy. */
export function tokensOf(
  client: OAuth2Credentials,
  config: HttpConfiguration,
  { guard, clock }: HandlerContext,
): OAuth2Tokens {
  const proxy = proxyOf(config);
  const { tokenUrl, clientId, clientSecret = '', scopes, audience, clientAuthentication } = client;
  const authentication = clientAuthentication === ClientAuthentication.BODY ? 'body' : 'header';
  return new OAuth2Tokens(
    { tokenUrl, clientId, clientSecret, scopes, audience, authentication },
    { dial: proxy ? tunnelDialer(guard, proxy) : dialer(guard), tls: trustOf(config), clock },
  );
}

/** What the servers beside the endpoint are trusted by: its authorities, and the system's as they need not be its own. */
function trustOf(config: HttpConfiguration): PemOptions | { readonly ca: string[] } {
  const { ca } = pemOf(config);
  return ca ? { ca: [...getCACertificates('default'), ca] } : {};
}
