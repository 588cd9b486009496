import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

/** What a connection through the proxy meets: the server; nobody; a server that is silent. */
export type Fault = 'none' | 'down' | 'silent';

/** A TCP proxy on 127.0.0.1 in front of a server, that breaks on demand. */
export async function faultProxy(t: TestContext, host: string, port: number) {
  let fault: Fault = 'none';
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    if (fault === 'down') return socket.resetAndDestroy();
    const upstream = connect({ port, host, allowHalfOpen: true });
    for (const one of [socket, upstream]) {
      sockets.add(one);
      one.on('error', () => {}); // `close` follows
      one.on('close', () => {
        sockets.delete(one);
        socket.destroy();
        upstream.destroy();
      });
    }
    // A server that is silent does not answer the end of a connection either.
    socket.on('end', () => fault === 'none' && upstream.end());
    upstream.on('end', () => fault === 'none' && socket.end());
    socket.on('data', (data) => fault === 'none' && upstream.write(data));
    upstream.on('data', (data) => fault === 'none' && socket.write(data));
  });
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    cut();
    server.close();
  });
  return {
    port: (server.address() as AddressInfo).port,
    set(next: Fault) {
      fault = next;
      // What went missing in a silence would garble the connections that lived through it.
      if (next !== 'silent') cut();
    },
  };
}
