import { isIPv6 } from 'node:net';

/** `host:port`, an IPv6 host in brackets. */
export const authority = (host: string, port: number) => `${isIPv6(host) ? `[${host}]` : host}:${port}`;

/** Where a socket for this http or https URL goes: the host without brackets, the port its scheme's when it has none. */
export function targetOf(url: URL): { readonly host: string; readonly port: number } {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return { host, port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80) };
}
