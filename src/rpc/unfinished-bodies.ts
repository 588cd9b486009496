import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Metrics } from '../runtime/metrics.ts';

/** What all bodies that are not whole may hold of memory, in bytes: as over gRPC. */
const MAX_BYTES = 128 << 20;

/** Bodies of requests over HTTP that have begun and are not whole. When they hold too much, the one that began first is cut. */
export class UnfinishedBodies {
  readonly #metrics: Pick<Metrics, 'httpCrowdedOut'>;
  /** With its bytes so far; the one that began first comes first. */
  readonly #held = new Map<IncomingMessage, number>();
  #bytes = 0;

  constructor(metrics: Pick<Metrics, 'httpCrowdedOut'>) {
    this.#metrics = metrics;
  }

  listener(listener: RequestListener): RequestListener {
    return (request, response) => {
      const { headers } = request;
      if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined)
        this.#watch(request, response);
      listener(request, response);
    };
  }

  #watch(request: IncomingMessage, response: ServerResponse): void {
    const forget = () => this.#forget(request);
    this.#held.set(request, 0);
    request.pause(); // listening alone would have it flow before anybody wants it
    request.on('data', (chunk: Buffer) => this.#came(request, chunk.length));
    request.once('end', forget);
    request.once('close', forget);
    response.once('close', forget);
  }

  #came(request: IncomingMessage, bytes: number): void {
    const before = this.#held.get(request);
    if (before === undefined) return;
    this.#held.set(request, before + bytes);
    this.#bytes += bytes;
    while (this.#bytes > MAX_BYTES) this.#cutOldest();
  }

  #forget(request: IncomingMessage): void {
    this.#bytes -= this.#held.get(request) ?? 0;
    this.#held.delete(request);
  }

  #cutOldest(): void {
    const [oldest] = this.#held.keys();
    this.#forget(oldest!);
    oldest!.socket.destroy();
    this.#metrics.httpCrowdedOut.inc({ what: 'connection' });
  }
}
