import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type RequestListener, type ServerResponse } from 'node:http';
import { createSecureServer, type SecureServerOptions } from 'node:http2';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TestContext } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { onEnd } from './on-end.ts';
import { resetSocket } from './reset-socket.ts';

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** The headers as they came: names and values in turn. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  /** `1.1` or `2.0`. */
  readonly httpVersion: string;
  /** The common name of the client's certificate. */
  readonly clientCn: string | undefined;
}

/** What an endpoint does with a request; it may answer later, or never. */
export type Respond = (response: ServerResponse, request: Received) => unknown;

export const answer =
  (status: number, headers: Record<string, string> = {}, body = ''): Respond =>
  (response) =>
    response.writeHead(status, headers).end(body);
/** Answers none of the first `count` requests before all of them are there, and all others at once. */
export function gather(count: number): Respond {
  const first: ServerResponse[] = [];
  let came = 0;
  return (response) => {
    first.push(response);
    if (++came >= count) for (const each of first.splice(0)) each.end();
  };
}
export const hang: Respond = () => {};
/** Resets the connection instead of answering. */
export const reset: Respond = (response) => response.socket?.resetAndDestroy();

/** A real HTTP endpoint on 127.0.0.1, with TLS when `tls` is there, that does as it is told. It may speak HTTP/2, too. */
export class HttpEndpoint {
  respond: Respond = answer(200);
  readonly received: Received[] = [];
  /** Connections that are open, and how many there were in all. */
  readonly sockets = new Set<Socket>();
  opened = 0;
  /** The most requests that were there at a time and not answered yet. */
  mostAtATime = 0;
  port = 0;
  readonly #scheme: string;
  readonly #create: (listener: RequestListener) => ReturnType<typeof createServer>;
  #server: ReturnType<typeof createServer> | undefined;
  readonly #responses = new Set<ServerResponse>();

  constructor(tls?: ServerOptions, settings?: Http2Settings) {
    this.#scheme = tls ? 'https' : 'http';
    this.#create = (listener) => {
      if (settings) return http2Server({ ...tls, settings }, listener);
      return tls ? createTlsServer(tls, listener) : createServer(listener);
    };
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}/in`;
  }

  /** Listens; again on the same port after a stop. */
  async start(): Promise<void> {
    const server = this.#create((request, response) => {
      this.#responses.add(response);
      response.on('close', () => this.#responses.delete(response));
      // A client may have an answer, and have sent its next request, before `close` comes.
      const unanswered = [...this.#responses].filter(({ writableEnded }) => !writableEnded).length;
      this.mostAtATime = Math.max(this.mostAtATime, unanswered);
      const chunks: Buffer[] = [];
      request.on('error', () => {}); // the response's `close` follows
      request.on('data', (chunk) => chunks.push(chunk));
      request.on('end', () => {
        const peer = (request.socket as Partial<TLSSocket>).getPeerCertificate?.();
        const received: Received = {
          method: request.method ?? '',
          path: request.url ?? '',
          headers: request.headers,
          rawHeaders: request.rawHeaders,
          body: Buffer.concat(chunks),
          httpVersion: request.httpVersion,
          clientCn: peer?.subject?.CN?.toString(),
        };
        this.received.push(received);
        this.respond(response, received);
      });
    });
    server.on('connection', (socket) => {
      this.opened++;
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Resets every connection and lets no new one in. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of this.sockets) resetSocket(socket);
    await closed;
  }
}

type Http2Settings = NonNullable<SecureServerOptions['settings']>;

function http2Server(options: SecureServerOptions, listener: RequestListener) {
  const server = createSecureServer({ ...options, allowHTTP1: true }, listener as never);
  server.on('sessionError', () => {}); // the client notices
  return server as never as ReturnType<typeof createServer>;
}

/** An endpoint that is up, and stopped after the test. */
export async function httpEndpoint(
  t: TestContext,
  tls?: ServerOptions,
  settings?: Http2Settings,
): Promise<HttpEndpoint> {
  const endpoint = new HttpEndpoint(tls, settings);
  await endpoint.start();
  onEnd(t, () => endpoint.stop());
  return endpoint;
}
