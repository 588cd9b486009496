import type { IncomingMessage, RequestListener, Server } from 'node:http';
import type { Socket } from 'node:net';
import { type Judge, refuse } from '../http-guard.ts';
import type { HttpRoom } from '../http-room.ts';
import { acceptance, handshakeOf, pathOf, type WebSocketService, wantsWebSocket } from './handshake.ts';
import { WebSocketStream } from './web-socket-stream.ts';

interface Deps {
  readonly judge: Judge;
  readonly room: Pick<HttpRoom, 'release'>;
  readonly stopping: AbortSignal;
}

const STOPPING = { status: 503, message: 'this node stops: connect to another, or again later' } as const;

/**
 * The WebSockets on the HTTP port. Who may not have one, or asks for it in another way than he should, is answered like any other
 * request: by the same guard, in the same room.
 */
export class WebSockets {
  readonly #services: readonly WebSocketService[];
  readonly #deps: Deps;

  constructor(services: readonly WebSocketService[], deps: Deps) {
    this.#services = services;
    this.#deps = deps;
  }

  /** For the server: whether a request becomes a WebSocket. */
  readonly isWanted = (request: IncomingMessage): boolean =>
    wantsWebSocket(request) && this.#deps.judge(request) === undefined && 'key' in this.#answerTo(request);

  /** Takes over the sockets of such requests. */
  serve(server: Server): void {
    server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      const answer = this.#answerTo(request);
      if (!('key' in answer) || !socket.writable) {
        socket.destroy(); // it went while it asked
        return;
      }
      this.#deps.room.release(socket);
      socket.write(acceptance(answer));
      answer.service.accept(new WebSocketStream(socket, head));
    });
  }

  /** The listener behind the answers to who asks in another way than he should. */
  listener(listener: RequestListener): RequestListener {
    return (request, response) => {
      const isOurs = this.#services.some(({ path }) => path === pathOf(request));
      if (!isOurs && !wantsWebSocket(request)) return listener(request, response);
      const answer = this.#answerTo(request);
      refuse(response, 'key' in answer ? STOPPING : answer);
    };
  }

  #answerTo(request: IncomingMessage) {
    return this.#deps.stopping.aborted ? STOPPING : handshakeOf(request, this.#services);
  }
}
