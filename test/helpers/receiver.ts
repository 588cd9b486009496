import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { onEnd } from './on-end.ts';

export interface Received {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A real HTTP endpoint that keeps what it gets; closed after the test. `status` is what it answers. */
export async function receiver(t: TestContext, port = 0) {
  const received: Received[] = [];
  const state = { status: 200 };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    if (request.method !== 'HEAD') {
      received.push({ method: request.method ?? '', headers: request.headers, body: Buffer.concat(chunks) });
    }
    response.writeHead(state.status).end();
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  onEnd(t, () => {
    server.close();
    server.closeAllConnections();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/in`;
  return { url, received, state, bodies: () => received.map(({ body }) => JSON.parse(body.toString())) };
}
