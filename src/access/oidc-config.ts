import type { ConnectionOptions } from 'node:tls';
import { followCertificates } from '../runtime/certificate-files.ts';
import { FollowedFiles } from '../runtime/followed-files.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Settings } from '../runtime/settings.ts';
import { isThisMachine } from '../runtime/this-machine.ts';
import { UserError } from '../runtime/user-error.ts';
import type { ClaimRules } from './oidc-claims.ts';
import { roleList } from './role-list.ts';

type Names = Extract<keyof Settings, `PENSTOCK_OIDC_${string}`>;
export type OidcSettings = Pick<Settings, Names>;

/** An OpenID Connect provider, and what Penstock takes from it. */
export interface OidcConfig extends ClaimRules {
  /** A URL, exactly as tokens have it. */
  readonly issuer: string;
  /** What access tokens must be for. */
  readonly audience: string;
  /** How connections to it are secured; unset: as Node does by itself. */
  readonly tls: (() => ConnectionOptions) | undefined;
  /** Unset: it logs nobody in with a browser. */
  readonly client: OidcClient | undefined;
}

/** What Penstock is at the provider. */
export interface OidcClient {
  readonly id: string;
  /** As it is now; undefined: there is none. */
  readonly secret: () => string | undefined;
  readonly scopes: readonly string[];
  /** Where browsers come back to; undefined: to the host that was called. */
  readonly redirectUrl: string | undefined;
  /** What people know the provider by. */
  readonly name: string;
}

/**
 * The provider of the settings; undefined: there is none.
 * @throws UserError when settings are missing, contradict each other, or cannot be used
 */
export function oidcConfig(settings: OidcSettings, logger: Logger): OidcConfig | undefined {
  const { PENSTOCK_OIDC_ISSUER: issuer, PENSTOCK_OIDC_CLIENT_ID: clientId } = settings;
  if (issuer === '') {
    const stray = strayOf(settings);
    if (stray === undefined) return undefined;
    throw new UserError(`${stray} is set, but not PENSTOCK_OIDC_ISSUER: set it, or unset ${stray}`);
  }
  checkUrl(issuer, 'PENSTOCK_OIDC_ISSUER');
  const audience = settings.PENSTOCK_OIDC_AUDIENCE || clientId;
  if (audience === '') {
    throw new UserError(
      'PENSTOCK_OIDC_ISSUER takes PENSTOCK_OIDC_AUDIENCE, for programs that send tokens, or PENSTOCK_OIDC_CLIENT_ID, for browsers: set one or both',
    );
  }
  if (settings.PENSTOCK_OIDC_ROLES.length === 0) {
    throw new UserError(
      'PENSTOCK_OIDC_ROLES must say who may do what, as nobody would be let in: penstock-admins=admin,developers=editor',
    );
  }
  const ca = settings.PENSTOCK_OIDC_CA_FILE;
  const context =
    ca === '' ? undefined : followCertificates({ ca: { path: ca, from: 'PENSTOCK_OIDC_CA_FILE' } }, logger);
  return {
    issuer,
    audience,
    tls: context && (() => ({ secureContext: context() })),
    client: clientOf(settings, logger),
    nameClaims: settings.PENSTOCK_OIDC_NAME_CLAIM,
    rolesClaim: settings.PENSTOCK_OIDC_ROLES_CLAIM,
    roles: roleList(settings.PENSTOCK_OIDC_ROLES, 'PENSTOCK_OIDC_ROLES'),
  };
}

/** One that says nothing without an issuer. */
function strayOf(settings: OidcSettings): Names | undefined {
  const names: readonly Names[] = [
    'PENSTOCK_OIDC_AUDIENCE',
    'PENSTOCK_OIDC_CLIENT_ID',
    'PENSTOCK_OIDC_CLIENT_SECRET',
    'PENSTOCK_OIDC_CLIENT_SECRET_FILE',
    'PENSTOCK_OIDC_REDIRECT_URL',
    'PENSTOCK_OIDC_ROLES',
    'PENSTOCK_OIDC_CA_FILE',
  ];
  return names.find((name) => settings[name].length > 0);
}

function clientOf(settings: OidcSettings, logger: Logger): OidcClient | undefined {
  const {
    PENSTOCK_OIDC_CLIENT_ID: id,
    PENSTOCK_OIDC_CLIENT_SECRET: given,
    PENSTOCK_OIDC_CLIENT_SECRET_FILE: file,
    PENSTOCK_OIDC_REDIRECT_URL: redirectUrl,
    PENSTOCK_OIDC_SCOPES: scopes,
    PENSTOCK_OIDC_NAME: name,
  } = settings;
  if (given !== '' && file !== '') {
    throw new UserError('set PENSTOCK_OIDC_CLIENT_SECRET or PENSTOCK_OIDC_CLIENT_SECRET_FILE, not both');
  }
  if (id === '') {
    const stray = ['CLIENT_SECRET', 'CLIENT_SECRET_FILE', 'REDIRECT_URL'].find(
      (one) => settings[`PENSTOCK_OIDC_${one}` as Names] !== '',
    );
    if (stray === undefined) return undefined;
    throw new UserError(`PENSTOCK_OIDC_${stray} is set, but not PENSTOCK_OIDC_CLIENT_ID: set it, too`);
  }
  if (!scopes.includes('openid')) throw new UserError('PENSTOCK_OIDC_SCOPES must name openid');
  if (redirectUrl !== '') {
    checkUrl(redirectUrl, 'PENSTOCK_OIDC_REDIRECT_URL');
    if (new URL(redirectUrl).pathname !== '/login/oidc/callback') {
      throw new UserError('PENSTOCK_OIDC_REDIRECT_URL must have the path /login/oidc/callback');
    }
  }
  const secret = secretOf(given, file, logger);
  return { id, secret, scopes, redirectUrl: redirectUrl || undefined, name };
}

function secretOf(given: string, file: string, logger: Logger): () => string | undefined {
  if (file === '') return () => given || undefined;
  const named = { path: file, from: 'PENSTOCK_OIDC_CLIENT_SECRET_FILE' };
  const make = ([text = '']: readonly string[]) => {
    if (text.trim() === '') throw new Error('it is empty');
    return text.trim();
  };
  const followed = new FollowedFiles([named], make, logger);
  return () => followed.current();
}

/** What whoever is between could change is good for nothing. */
export const isSafe = ({ protocol, hostname }: URL): boolean =>
  protocol === 'https:' || (protocol === 'http:' && isThisMachine(hostname));

function checkUrl(text: string, setting: string): void {
  const url = URL.parse(text);
  if (url && isSafe(url) && url.search === '' && url.hash === '' && url.username === '') return;
  throw new UserError(
    `${setting}=${text} must be an https URL without query and user, such as https://login.example.com/realms/main; http for this machine alone`,
  );
}
