import { request } from 'node:http';
import type { Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { authority, targetOf } from '../../../runtime/authority.ts';
import { type Dial, dialer, made } from '../../../runtime/dial.ts';
import { serverName, type Target } from '../../../runtime/open-socket.ts';
import type { TargetGuard } from '../../../runtime/target-guard.ts';
import { Wire } from './wire.ts';

/** The proxy that connections go through. */
export interface HttpProxy {
  readonly url: URL;
  /** The value of Proxy-Authorization; undefined: none is sent. */
  readonly authorization: string | undefined;
  /** How to reach a proxy with TLS. */
  readonly tls: ConnectionOptions;
}

/** There is no way through the proxy. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError';
}

/** Opens connections to the proxy itself. */
export function proxyDialer(
  guard: TargetGuard,
  { url, tls }: HttpProxy,
): (signal: AbortSignal) => Promise<Socket> {
  const dial = dialer(guard);
  const target = url.protocol === 'https:' ? { ...targetOf(url), tls } : targetOf(url);
  return async (signal) => {
    try {
      return await dial(target, signal);
    } catch (cause) {
      throw new ProxyError(`the proxy ${url.host} was not reached`, { cause });
    }
  };
}

/**
 * Opens connections through tunnels of the proxy (CONNECT). The guard judges the proxy's address; of the target it judges
 * addresses alone, for names are looked up by the proxy.
 */
export function tunnelDialer(guard: TargetGuard, proxy: HttpProxy): Dial {
  const dialProxy = proxyDialer(guard, proxy);
  return async (target, signal) => {
    guard.checkLiteral(target.host);
    const socket = await dialProxy(signal);
    try {
      await openTunnel(socket, target, proxy, signal);
      if (!target.tls) return socket;
      const secure = connectTls({ ...serverName(target.host), ...target.tls, host: target.host, socket });
      return await made(secure, true, signal);
    } catch (error) {
      socket.destroy();
      throw error;
    }
  };
}

async function openTunnel(
  socket: Socket,
  { host, port }: Target,
  { url, authorization }: HttpProxy,
  signal: AbortSignal,
): Promise<void> {
  const path = authority(host, port);
  const headers = { host: path, ...(authorization && { 'proxy-authorization': authorization }) };
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
  const asking = request({ createConnection: () => socket, method: 'CONNECT', path, headers });
  asking.once('connect', (response) => resolve(response.statusCode));
  asking.on('error', (cause) => {
    reject(
      signal.aborted ? signal.reason : new ProxyError(`the proxy ${url.host} gave no answer`, { cause }),
    );
  });
  const abort = () => asking.destroy(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  new Wire(socket).begin(); // Node takes an interim answer for the answer to CONNECT
  asking.end();
  try {
    const status = await promise;
    if (status !== undefined && status >= 200 && status < 300) return;
    const advice = status === 407 ? ': check proxy_credentials' : '';
    throw new ProxyError(`the proxy ${url.host} answers ${status} to CONNECT ${path}${advice}`);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
