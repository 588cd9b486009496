import { Socket } from 'node:net';
import type { LookUp } from '../../runtime/name-resolver.ts';
import { lookupFunction } from '../../runtime/open-socket.ts';

const CLOSED = new Error('the connection was closed');

/**
 * For the option `stream` of pg, which connects it by itself: to names that are looked up so, or to a Unix socket.
 * @param isFull whether names are full ones, whose dot at the end pg was not told
 */
export const postgresStream = (lookUp: LookUp, isFull: boolean) => (): Socket => {
  const socket = new Socket();
  const closed = new AbortController();
  socket.once('close', () => closed.abort(CLOSED));
  const lookup = lookupFunction(lookUp, closed.signal);
  const connect = socket.connect.bind(socket);
  const connectTo = (portOrPath: number | string, host = '') =>
    typeof portOrPath === 'string'
      ? connect(portOrPath)
      : connect({ port: portOrPath, host: isFull ? `${host}.` : host, lookup });
  return Object.assign(socket, { connect: connectTo });
};
