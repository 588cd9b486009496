import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { onEnd } from './on-end.ts';

/** What stands before an HTTP server: counts the requests that are open by their paths, and can go away. */
export class CountingProxy {
  readonly #target: URL;
  readonly #open = new Map<string, number>();
  #server: Server | undefined;
  #port = 0;

  constructor(target: string) {
    this.#target = new URL(target);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  open(path: string): number {
    return this.#open.get(path) ?? 0;
  }

  /** Listens, the second time where it did before. */
  async start(): Promise<void> {
    const server = createServer((incoming, response) => {
      const path = incoming.url ?? '';
      this.#count(path, 1);
      response.on('close', () => this.#count(path, -1));
      const { hostname: host, port } = this.#target;
      const { method, headers } = incoming;
      const outgoing = request({ host, port, path, method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      outgoing.on('error', () => response.destroy());
      response.on('close', () => outgoing.destroy());
      incoming.pipe(outgoing);
    });
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  stop(): void {
    this.#server?.close();
    this.#server?.closeAllConnections();
  }

  #count(path: string, change: number): void {
    this.#open.set(path, this.open(path) + change);
  }
}

export async function countingProxy(t: TestContext, target: string): Promise<CountingProxy> {
  const proxy = new CountingProxy(target);
  await proxy.start();
  onEnd(t, async () => proxy.stop());
  return proxy;
}
