import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { onEnd } from './on-end.ts';

export interface Received {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A real HTTP endpoint that keeps what it gets; closed after the test. It answers `status`, after `delay` milliseconds. */
export async function receiver(t: TestContext, port = 0) {
  const received: Received[] = [];
  const state = { status: 200, delay: 0 };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    if (request.method !== 'HEAD') {
      received.push({ method: request.method ?? '', headers: request.headers, body: Buffer.concat(chunks) });
    }
    if (state.delay > 0) await sleep(state.delay);
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
