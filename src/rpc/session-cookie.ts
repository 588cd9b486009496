import type { Settings } from '../runtime/settings.ts';
import { cookieName, onlyCookie } from './cookies.ts';

const NAME = 'penstock_session';

const nameOf = (isSecure: boolean) => cookieName(NAME, isSecure);

/** Whether browsers reach the HTTP port over TLS: its own, or that of a proxy. */
export const isCookieSecure = (
  settings: Pick<Settings, 'PENSTOCK_TLS_CERT_FILE' | 'PENSTOCK_SESSION_COOKIE_SECURE'>,
): boolean => settings.PENSTOCK_TLS_CERT_FILE !== '' || settings.PENSTOCK_SESSION_COOKIE_SECURE === 'always';

/** The header `set-cookie` by which a browser keeps a session for this host, until it is closed. Empty: it forgets it. */
export function sessionCookie(session: string, isSecure: boolean): string {
  const attributes = ['Path=/', 'HttpOnly', 'SameSite=Strict'];
  if (isSecure) attributes.push('Secure');
  if (session === '') attributes.push('Max-Age=0');
  return [`${nameOf(isSecure)}=${session}`, ...attributes].join('; ');
}

/** The session in a header `cookie`; undefined: there is none, or more than one. */
export const sessionOf = (cookies: string | undefined, isSecure: boolean): string | undefined =>
  onlyCookie(cookies, nameOf(isSecure)) || undefined;
