import { connect as connectTcp, isIP, type LookupFunction, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { LookUp } from './name-resolver.ts';

/** Where a connection goes; with `tls`, over TLS. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly tls?: ConnectionOptions;
}

const CLOSED = new Error('the connection was closed');

/** net.connect, or tls.connect with `tls`, to names that are looked up so. The lookup ends with the socket. */
export function openSocket({ host, port, tls }: Target, lookUp: LookUp): Socket {
  const closed = new AbortController();
  const target = { host, port, lookup: lookupFunction(lookUp, closed.signal) };
  const socket = tls ? connectTls({ ...serverName(host), ...tls, ...target }) : connectTcp(target);
  socket.once('close', () => closed.abort(CLOSED));
  return socket;
}

/** The name to ask a server for with TLS, without the dot that a full name may end with (RFC 6066 section 3); an address has none. */
export const serverName = (host: string) => (isIP(host) === 0 ? { servername: withoutDot(host) } : {});

/** A name without the dot that a full one may end with. */
export const withoutDot = (host: string) => host.replace(/\.$/, '');

/** For the option `lookup` of sockets. */
export const lookupFunction =
  (lookUp: LookUp, signal: AbortSignal): LookupFunction =>
  (name, { all, family }, callback) => {
    lookUp(name, signal).then(
      (found) => {
        const addresses = family ? found.filter((one) => one.family === Number(family)) : found;
        if (all) return callback(null, [...addresses]);
        const [first = found[0]!] = addresses;
        callback(null, first.address, first.family);
      },
      (error) => callback(error, []),
    );
  };
