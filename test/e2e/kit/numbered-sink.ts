import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { onEnd } from '../../helpers/on-end.ts';
import { resetSocket } from '../../helpers/reset-socket.ts';
import type { Arrival } from './oracle.ts';

/** What it does with a request: a hanging one is never answered, a reset one loses its connection. */
export type SinkMode = 'answers' | 'hangs' | 'resets';

/** An HTTP endpoint that keeps which numbered messages it took, in the order it answered them. */
export class NumberedSink {
  readonly arrivals: Arrival[] = [];
  mode: SinkMode = 'answers';
  /** Milliseconds until it answers. */
  delay = 0;
  /** Requests that it did not answer. */
  refused = 0;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    server.on('request', (request, response) => {
      this.#take(request, response).catch(() => {}); // the executor was killed in the middle of its request
    });
  }

  /** Closed after the test. */
  static async start(t: TestContext): Promise<NumberedSink> {
    const server = createServer();
    const sink = new NumberedSink(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onEnd(t, () => {
      server.close();
      server.closeAllConnections();
    });
    return sink;
  }

  /** Where this integration sends its messages, as JSON objects with all fields, one or several a request. */
  url(integration: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/${integration}`;
  }

  /** The executors that each of these integrations had last. */
  owners(): ReadonlyMap<string, string> {
    return new Map(this.arrivals.map(({ integration, node }) => [integration, node]));
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    if (this.mode !== 'answers') {
      this.refused++;
      if (this.mode === 'resets') resetSocket(request.socket);
      return;
    }
    if (this.delay > 0) await sleep(this.delay);
    const integration = request.url?.slice(1) ?? '';
    for (const { payload, tbmqIeNode: node } of [JSON.parse(Buffer.concat(chunks).toString())].flat()) {
      const { client, n } = payload;
      if (n >= 0) this.arrivals.push({ client, n, integration, node, at: performance.now() });
    }
    response.end();
  }
}
