import type { IncomingHttpHeaders } from 'node:http';

/** What a request says of the page that makes it. */
interface Asking {
  readonly method?: string | undefined;
  readonly headers: IncomingHttpHeaders;
  /** Whether it came over TLS that ends in this process. */
  readonly isEncrypted: boolean;
}

/**
 * Whether a cookie may count. SameSite=Strict keeps pages of other sites from sending it, but not those of another port or
 * subdomain: what may change something must come from a page of this very host and port.
 */
export function isOfOwnPage({ method, headers, isEncrypted }: Asking): boolean {
  const { host, origin, 'sec-fetch-site': site } = headers;
  const isRead = method === 'GET' || method === 'HEAD';
  // Browsers say it where they trust the connection, and no page can: of scheme, host and port. `none`: no page, but a person.
  if (site !== undefined && site !== 'same-origin' && !(isRead && site === 'none')) return false;
  if (origin === undefined) return isRead || site === 'same-origin';
  if (isEncrypted && !origin.startsWith('https:')) return false;
  return host !== undefined && isServedUnder(origin, host);
}

/** Whether the pages of this origin are those of this host and port, by whichever scheme. */
export function isServedUnder(origin: string, host: string): boolean {
  const page = URL.parse(origin);
  // Also `null`, of a page that hides where it is from.
  if (page === null || !/^https?:$/.test(page.protocol)) return false;
  return URL.parse(`${page.protocol}//${host}`)?.host === page.host;
}
