import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { onEnd } from './on-end.ts';
import { resetSocket } from './reset-socket.ts';

/** What the bytes of one direction meet, by the names of toxiproxy. */
export interface Toxics {
  /** They arrive later, by milliseconds. */
  readonly latency?: number;
  /** So many arrive in a second. */
  readonly bandwidth?: number;
  /** They arrive in pieces of so many. */
  readonly slicer?: number;
  /** They never arrive, nor does the end of the connection. What connections live through that is cut afterwards. */
  readonly timeout?: boolean;
  /** Instead of arriving they reset the connection. */
  readonly resetPeer?: boolean;
}

export interface Faults {
  /** Every connection is reset, and a new one refused. */
  readonly down?: boolean;
  /** From the client to the server. */
  readonly upstream?: Toxics;
  /** From the server to the client. */
  readonly downstream?: Toxics;
}

type Direction = 'upstream' | 'downstream';

/** A TCP proxy on 127.0.0.1 in front of a server, that breaks on demand. */
export class FaultProxy implements AsyncDisposable {
  /** Connections that were made through it so far. */
  opened = 0;
  port = 0;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #links = new Set<Link>();
  #faults: Faults = {};
  #changed = Promise.withResolvers<void>();
  #server: Server | undefined;

  private constructor(host: string, port: number) {
    this.#target = { host, port };
  }

  /** The server need not be there yet. */
  static async start(host: string, port: number): Promise<FaultProxy> {
    const proxy = new FaultProxy(host, port);
    await proxy.#listen();
    return proxy;
  }

  /** Connections whose client has not ended them. */
  get connections(): number {
    return [...this.#links].filter(({ clientHasEnded }) => !clientHasEnded).length;
  }

  /** Replaces the faults there are; `{}` heals all. Resolves when they are in force. */
  async set(faults: Faults): Promise<void> {
    const { down = false } = faults;
    this.#faults = faults;
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
    for (const link of this.#links) if (link.isGarbled) link.cut();
    if (down) await this[Symbol.asyncDispose]();
    else if (!this.#server) await this.#listen();
  }

  /** Resets every connection there is now. */
  cut(): void {
    for (const link of this.#links) link.cut();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = once(server, 'close');
    server.close();
    this.cut();
    await closed;
  }

  async #listen(): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      this.opened++;
      const link = new Link(client, connect({ ...this.#target, allowHalfOpen: true, noDelay: true }), this);
      this.#links.add(link);
      client.on('close', () => this.#links.delete(link));
    });
    this.#server = server;
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    this.port = (server.address() as AddressInfo).port;
  }

  toxics(direction: Direction): Toxics {
    return this.#faults[direction] ?? {};
  }

  /** Resolves after `ms`, or when the faults change. */
  async pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    await Promise.race([promise, this.#changed.promise]);
    clearTimeout(timer);
  }
}

/** One connection through the proxy. */
class Link {
  /** Something of it went missing. */
  isGarbled = false;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #proxy: FaultProxy;

  constructor(client: Socket, server: Socket, proxy: FaultProxy) {
    this.#client = client;
    this.#server = server;
    this.#proxy = proxy;
    for (const socket of [client, server]) {
      socket.on('error', () => {}); // `close` follows
      socket.on('close', (hadError) => hadError && this.cut());
    }
    // A socket that is cut while it is read ends the reading with an error.
    this.#carry(client, server, 'upstream').catch(() => {});
    this.#carry(server, client, 'downstream').catch(() => {});
  }

  get clientHasEnded(): boolean {
    return this.#client.readableEnded || this.#client.destroyed;
  }

  cut(): void {
    for (const socket of [this.#client, this.#server]) if (!socket.destroyed) resetSocket(socket);
  }

  async #carry(from: Socket, to: Socket, direction: Direction): Promise<void> {
    for await (const chunk of from.iterator({ destroyOnReturn: false })) {
      const { latency, bandwidth, slicer } = this.#proxy.toxics(direction);
      if (latency) await this.#proxy.pause(latency);
      const most = bandwidth ? Math.ceil(bandwidth / 20) : chunk.length;
      const piece = Math.min(slicer ?? chunk.length, most);
      for (let at = 0; at < chunk.length; at += piece) {
        await this.#pass(chunk.subarray(at, at + piece), to, direction);
        if (bandwidth) await this.#proxy.pause((piece / bandwidth) * 1000);
        else if (slicer) await this.#proxy.pause(1);
      }
    }
    if (this.#proxy.toxics(direction).timeout) this.isGarbled = true;
    else to.end();
  }

  async #pass(bytes: Buffer, to: Socket, direction: Direction): Promise<void> {
    const { timeout, resetPeer } = this.#proxy.toxics(direction);
    if (resetPeer) this.cut();
    else if (timeout) this.isGarbled = true;
    else if (!to.write(bytes)) await once(to, 'drain');
  }
}

/** A proxy that ends with the test. */
export async function faultProxy(t: TestContext, host: string, port: number): Promise<FaultProxy> {
  const proxy = await FaultProxy.start(host, port);
  onEnd(t, () => proxy[Symbol.asyncDispose]());
  return proxy;
}
