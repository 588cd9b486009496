import type { IncomingMessage, RequestListener, Server } from 'node:http';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import type { Metrics } from '../runtime/metrics.ts';
import { isProbe, refuse } from './http-guard.ts';

/** Sockets whose request is being answered, at most. */
const MAX_BUSY = 1000;
/** Sockets beside those: to ask for health, whoever takes all the others. */
const MAX_IDLE = 100;
/** Those that are cut, and not closed yet. */
const MAX_CLOSING = 1000;

const NO_ROOM = { status: 503, message: 'too many requests are being answered: try again later' } as const;

/**
 * The room on the HTTP port. When there are too many sockets, the one goes that has waited the longest without a whole request:
 * whoever opens sockets and says nothing, or never ends what he says, keeps nobody out. Probes are answered also when as many
 * requests are being answered as may be.
 */
export class HttpRoom {
  readonly #metrics: Metrics;
  /** With the request that each is at; the longest without a change first. */
  readonly #sockets = new Map<Socket, IncomingMessage | undefined>();
  #busy = 0;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** Watches over the sockets of a server. `others`: what may be released, at most. */
  guard(server: Server, others = 0): void {
    server.maxConnections = MAX_BUSY + MAX_IDLE + MAX_CLOSING + others;
    server.on('drop', () => this.#metrics.httpCrowdedOut.inc({ what: 'connection' }));
    // Before its handshake is over a connection is not a request's, and bounded elsewhere (tls-server.ts).
    server.on(server instanceof TlsServer ? 'secureConnection' : 'connection', (socket: Socket) => {
      this.#sockets.set(socket, undefined);
      socket.once('close', () => this.#closed(socket));
      if (this.#sockets.size > MAX_BUSY + MAX_IDLE) this.#cutOldest('any');
    });
  }

  /** The listener for as many requests as there is room for. */
  listener(listener: RequestListener): RequestListener {
    return (request, response) => {
      if (isProbe(request)) return listener(request, response);
      if (this.#busy >= MAX_BUSY && !this.#cutOldest('busy')) {
        this.#metrics.httpCrowdedOut.inc({ what: 'request' });
        refuse(response, NO_ROOM);
        return;
      }
      const { socket } = request;
      this.#set(socket, request);
      response.once('close', () => {
        if (this.#sockets.get(socket) === request) this.#set(socket, undefined);
      });
      listener(request, response);
    };
  }

  /** The socket is no request's any more: somebody else bounds it. */
  release(socket: Socket): void {
    this.#closed(socket);
  }

  #set(socket: Socket, request: IncomingMessage | undefined): void {
    this.#closed(socket);
    if (socket.destroyed) return;
    this.#sockets.set(socket, request);
    if (request) this.#busy++;
  }

  #closed(socket: Socket): void {
    if (this.#sockets.get(socket)) this.#busy--;
    this.#sockets.delete(socket);
  }

  /** Whether there was one that has no whole request. */
  #cutOldest(of: 'any' | 'busy'): boolean {
    for (const [socket, request] of this.#sockets) {
      if (request ? request.complete : of === 'busy') continue;
      this.#closed(socket);
      socket.destroy();
      this.#metrics.httpCrowdedOut.inc({ what: 'connection' });
      return true;
    }
    return false;
  }
}
