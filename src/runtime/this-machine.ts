import { isIPv4 } from 'node:net';

/** Whether a host is this machine by its name or address: what is sent there nobody else reads. */
export const isThisMachine = (host: string): boolean =>
  /^(.+\.)?localhost\.?$/i.test(host) ||
  /^\[?::1\]?$/.test(host) ||
  (isIPv4(host) && host.startsWith('127.'));
