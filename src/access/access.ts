import { isIP } from 'node:net';
import { CallerKind, Role } from '../../gen/penstock/v1/access_pb.ts';
import { hashOfToken } from '../contract/api-token.ts';
import { type Authenticate, type Caller, letAnybodyIn, type Presented } from '../rpc/caller.ts';
import { FollowedFiles } from '../runtime/followed-files.ts';
import { type Logger, messageOf } from '../runtime/logger.ts';
import type { Settings } from '../runtime/settings.ts';
import { UserError } from '../runtime/user-error.ts';
import { type Certificates, certificateRoles } from './certificates.ts';
import type { Grants } from './grants.ts';
import { type OidcConfig, type OidcSettings, oidcConfig } from './oidc-config.ts';
import { isJwt, type OidcTokens } from './oidc-tokens.ts';

/** A shorter one could be guessed. */
const MIN_BOOTSTRAP = 32;

type AccessSettings = OidcSettings &
  Pick<
    Settings,
    | 'PENSTOCK_LOGIN'
    | 'PENSTOCK_BOOTSTRAP_TOKEN'
    | 'PENSTOCK_BOOTSTRAP_TOKEN_FILE'
    | 'PENSTOCK_BIND_ADDRESS'
    | 'PENSTOCK_TLS_CLIENT_CA_FILE'
    | 'PENSTOCK_TLS_CLIENT_CERT'
    | 'PENSTOCK_TLS_CLIENT_ROLES'
  >;

/** Who is let in, by the settings. */
export interface AccessConfig {
  readonly isLoginRequired: boolean;
  /** SHA-256 of the token that its bearer is an admin by, as it is now. */
  readonly bootstrapHash: (() => Buffer) | undefined;
  /** The OpenID Connect provider whose tokens let callers in. */
  readonly oidc?: OidcConfig | undefined;
  /** What names of client certificates let callers in, and as what. */
  readonly certificateRoles?: ReadonlyMap<string, Role> | undefined;
}

/** @throws UserError when settings contradict each other, or cannot be used */
export function accessConfig(settings: AccessSettings, logger: Logger): AccessConfig {
  const bootstrap = bootstrapToken(settings, logger);
  const oidc = oidcConfig(settings, logger);
  const roles = certificateRoles(settings);
  const ways = [bootstrap, oidc, roles];
  return {
    isLoginRequired: settings.PENSTOCK_LOGIN === 'required' || ways.some((way) => way !== undefined),
    bootstrapHash: bootstrap,
    oidc,
    certificateRoles: roles,
  };
}

function bootstrapToken(settings: AccessSettings, logger: Logger): (() => Buffer) | undefined {
  const { PENSTOCK_BOOTSTRAP_TOKEN: given, PENSTOCK_BOOTSTRAP_TOKEN_FILE: path } = settings;
  if (given !== '' && path !== '') {
    throw new UserError('set PENSTOCK_BOOTSTRAP_TOKEN or PENSTOCK_BOOTSTRAP_TOKEN_FILE, not both');
  }
  if (path !== '') {
    const file = { path, from: 'PENSTOCK_BOOTSTRAP_TOKEN_FILE' };
    const followed = new FollowedFiles([file], ([text = '']) => bootstrapHash(text), logger);
    return () => followed.current();
  }
  if (given === '') return undefined;
  try {
    const hash = bootstrapHash(given);
    return () => hash;
  } catch (cause) {
    throw new UserError(`PENSTOCK_BOOTSTRAP_TOKEN: ${messageOf(cause)}`, { cause });
  }
}

function bootstrapHash(text: string): Buffer {
  const token = text.trim();
  if (token.length >= MIN_BOOTSTRAP && /^[!-~]+$/.test(token)) return hashOfToken(token);
  throw new Error(
    `must be ${MIN_BOOTSTRAP} printable characters or more without blanks: openssl rand -base64 32 makes one`,
  );
}

/**
 * What is said at the start where whoever asks is let in; undefined: a login is needed.
 * @throws UserError when others than this machine could ask
 */
export function openAccessNote({ isLoginRequired }: AccessConfig, host: string): string | undefined {
  if (isLoginRequired) return undefined;
  if (isLoopback(host)) return `no login: whoever reaches ${host}, on this machine, may do everything`;
  throw new UserError(
    `PENSTOCK_BIND_ADDRESS=${host} would let everybody in who reaches it, as no login is configured: set PENSTOCK_LOGIN=required and make a token with \`penstock admin create-token\`, or set PENSTOCK_BOOTSTRAP_TOKEN_FILE or PENSTOCK_OIDC_ISSUER; or leave PENSTOCK_BIND_ADDRESS at 127.0.0.1`,
  );
}

const isLoopback = (host: string) =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));

/** Whose session it is; undefined: nobody's. Rejects when that cannot be known now. */
export type SessionCaller = (session: string, address: string) => Promise<Caller | undefined>;

/** By what callers are known. What is unset lets in nobody. */
export interface Ways {
  readonly bootstrapHash?: AccessConfig['bootstrapHash'];
  readonly grants?: Pick<Grants, 'callerOf'> | undefined;
  /** Whose session of a browser it is, as a control plane knows it. */
  readonly sessions?: SessionCaller | undefined;
  readonly oidcTokens?: Pick<OidcTokens, 'callerOf'> | undefined;
  readonly certificates?: Pick<Certificates, 'callerOf'> | undefined;
}

/** Knows callers by what they show: one thing, the first of these that they show and this node knows, must hold. */
export function authenticator({ isLoginRequired }: AccessConfig, ways: Ways): Authenticate {
  if (!isLoginRequired) return letAnybodyIn;
  return async (presented) => {
    if (presented.authorization !== undefined) return await bearer(presented, presented.authorization, ways);
    // Without sessions it is one of another node, and says nothing here.
    if (presented.session !== undefined && ways.sessions)
      return ways.sessions(presented.session, presented.address);
    const certificate = ways.certificates && presented.certificate();
    return certificate && ways.certificates?.callerOf(certificate, presented.address);
  };
}

async function bearer(
  { address }: Presented,
  authorization: string,
  ways: Ways,
): Promise<Caller | undefined> {
  const token = /^bearer +([!-~]+)$/i.exec(authorization)?.[1];
  if (token === undefined) return undefined;
  if (ways.oidcTokens && isJwt(token)) return await ways.oidcTokens.callerOf(token, address);
  return callerOfToken(token, address, ways);
}

/** Whose API token it is, or bootstrap token; undefined: nobody's. */
export function callerOfToken(
  token: string,
  address: string,
  { bootstrapHash, grants }: Pick<Ways, 'bootstrapHash' | 'grants'>,
): Caller | undefined {
  const known = grants?.callerOf(token, address);
  // Of hashes nothing can be learnt from how long it takes to compare them.
  if (known || !bootstrapHash?.().equals(hashOfToken(token))) return known;
  return { name: 'bootstrap', kind: CallerKind.TOKEN, role: Role.ADMIN, address };
}
