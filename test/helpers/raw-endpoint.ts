import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { onEnd } from './on-end.ts';

/** What an endpoint does with a request, by the bytes of its answer. @param nth of its connection, from 1 */
export type RawAnswer = (socket: Socket, nth: number, head: string) => unknown;

/** An endpoint of HTTP/1.1 on 127.0.0.1 that answers what it is told, right or wrong. */
export class RawEndpoint {
  answer: RawAnswer = (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  /** Called with the head of a request, before its body is awaited. */
  onHead: (socket: Socket) => unknown = () => {};
  /** The bodies of the requests that came, and how many connections there were. */
  readonly bodies: string[] = [];
  opened = 0;
  readonly sockets = new Set<Socket>();
  readonly #scheme: string;
  readonly #server;

  constructor(tls?: TlsOptions) {
    this.#scheme = tls ? 'https' : 'http';
    const serve = (socket: Socket) => this.#serve(socket);
    this.#server = tls ? createTlsServer(tls, serve) : createServer({ noDelay: true }, serve);
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}/in`;
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  stop(): void {
    for (const socket of this.sockets) socket.destroy();
    this.#server.close();
  }

  #serve(socket: Socket): void {
    this.opened++;
    this.sockets.add(socket);
    socket.on('error', () => {}).on('close', () => this.sockets.delete(socket));
    let came = '';
    let nth = 0;
    let isInBody = false;
    socket.on('data', (chunk) => {
      came += chunk.toString('latin1');
      for (;;) {
        const body = came.indexOf('\r\n\r\n') + 4;
        if (body < 4) return;
        if (!isInBody) this.onHead(socket);
        isInBody = true;
        const end = body + Number(/content-length: (\d+)/i.exec(came.slice(0, body))?.[1] ?? 0);
        if (came.length < end) return;
        isInBody = false;
        const head = came.slice(0, body);
        this.bodies.push(came.slice(body, end));
        came = came.slice(end);
        this.answer(socket, ++nth, head);
      }
    });
  }
}

/** One that is up, and stopped after the test. */
export async function rawEndpoint(t: TestContext, tls?: TlsOptions): Promise<RawEndpoint> {
  const endpoint = new RawEndpoint(tls);
  await endpoint.start();
  onEnd(t, () => endpoint.stop());
  return endpoint;
}
