import { isIPv6 } from 'node:net';

/** `host:port`, an IPv6 host in brackets. */
export const authority = (host: string, port: number) => `${isIPv6(host) ? `[${host}]` : host}:${port}`;
