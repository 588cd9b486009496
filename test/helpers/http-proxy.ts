import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as requestOf,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

interface Asked {
  readonly method: string;
  /** The authority of a CONNECT, or a whole URL. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
}

/** A real forward proxy on 127.0.0.1, with tunnels and requests for whole URLs. To it, every name is 127.0.0.1. */
export class HttpProxyServer {
  readonly asked: Asked[] = [];
  readonly sockets = new Set<Socket>();
  /** A status to answer everything with, instead of passing it on. */
  refusal: number | undefined;
  /** Answers nothing. */
  isSilent = false;
  readonly #server: Server;
  readonly #scheme: string;

  constructor(tls?: ServerOptions) {
    this.#scheme = tls ? 'https' : 'http';
    this.#server = tls ? createTlsServer(tls) : createServer();
    this.#server.on('connection', (socket: Socket) => this.#keep(socket));
    this.#server.on('connect', (request, socket: Socket) => this.#tunnel(request, socket));
    this.#server.on('request', (request, response) => this.#forward(request, response));
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  #tunnel({ method = '', url = '', headers }: IncomingMessage, socket: Socket): void {
    this.asked.push({ method, target: url, headers });
    socket.on('error', () => {}); // `close` follows
    if (this.isSilent || this.refusal !== undefined) {
      if (!this.isSilent) socket.write(`HTTP/1.1 ${this.refusal} No\r\ncontent-length: 0\r\n\r\n`);
      socket.resume().on('end', () => socket.end()); // it goes when the other side does
      return;
    }
    const upstream = this.#keep(connect(Number(url.split(':').at(-1)), '127.0.0.1'));
    upstream.on('connect', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      socket.pipe(upstream).pipe(socket);
    });
    upstream.on('close', () => socket.destroy());
    socket.on('close', () => upstream.destroy());
  }

  #forward(request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '', headers } = request;
    this.asked.push({ method, target: url, headers });
    if (this.isSilent) return;
    if (this.refusal !== undefined) {
      response.writeHead(this.refusal).end();
      return;
    }
    const { port, pathname, search } = new URL(url);
    const options = { host: '127.0.0.1', port, path: pathname + search, method, headers };
    const upstream = requestOf(options, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    upstream.on('error', () => response.destroy());
    request.pipe(upstream);
  }

  #keep(socket: Socket): Socket {
    this.sockets.add(socket);
    socket.on('error', () => {}); // `close` follows
    socket.on('close', () => this.sockets.delete(socket));
    return socket;
  }
}

/** A proxy that is up, and stopped after the test. */
export async function httpProxy(t: TestContext, tls?: ServerOptions): Promise<HttpProxyServer> {
  const proxy = new HttpProxyServer(tls);
  await proxy.start();
  t.after(() => proxy.stop());
  return proxy;
}
