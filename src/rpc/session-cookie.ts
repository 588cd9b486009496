import type { Settings } from '../runtime/settings.ts';

/** A cookie with this beginning is set by this host alone, over TLS: by no page of a subdomain, another port or without TLS. */
const HOST_ONLY = '__Host-';
const NAME = 'penstock_session';

const nameOf = (isSecure: boolean) => (isSecure ? HOST_ONLY + NAME : NAME);

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

/**
 * The session in a header `cookie`; undefined: there is none, or more than one. The second one then is somebody else's, who
 * wants his own session to be taken for that of the one who calls.
 */
export function sessionOf(cookies: string | undefined, isSecure: boolean): string | undefined {
  const beginning = `${nameOf(isSecure)}=`;
  const found = (cookies ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(beginning));
  return found.length === 1 ? found[0]!.slice(beginning.length) || undefined : undefined;
}
