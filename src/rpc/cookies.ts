/** A cookie with this beginning is set by this host alone, over TLS: by no page of a subdomain, another port or without TLS. */
const HOST_ONLY = '__Host-';

/** The name of a cookie, as it is where browsers reach the HTTP port over TLS, or not. */
export const cookieName = (name: string, isSecure: boolean) => (isSecure ? HOST_ONLY + name : name);

/**
 * The value of the cookie of this name in a header `cookie`; undefined: there is none, or more than one. The second one then is
 * somebody else's, who wants his own to be taken for that of the one who calls.
 */
export function onlyCookie(cookies: string | undefined, name: string): string | undefined {
  const found = (cookies ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`));
  return found.length === 1 ? found[0]!.slice(name.length + 1) : undefined;
}
