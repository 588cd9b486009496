import { constants, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import type { ApiLimits } from '../runtime/api-settings.ts';
import type { CancelTimer, Clock } from '../runtime/clock.ts';
import type { Metrics } from '../runtime/metrics.ts';

/** How long a caller may take from the headers of a call to the end of its request, in milliseconds: as on the HTTP port. */
const TIMEOUT = 30_000;
/** What all requests that are not whole may hold of memory, in bytes. */
const MAX_BYTES = 128 << 20;

interface Deps {
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, 'requestsCut'>;
}

interface Unfinished {
  readonly stream: ServerHttp2Stream;
  readonly forget: () => void;
  readonly since: number;
  isPatient: boolean;
  bytes: number;
}

/**
 * Requests over gRPC that have begun and are not whole: grpc-js keeps what has come of each until then, and before anybody has
 * asked who calls. Bounded in time, in number and in bytes, over all callers.
 */
export class UnfinishedRequests {
  readonly #most: number;
  readonly #deps: Deps;
  /** The one that began first comes first. */
  readonly #unfinished = new Map<ServerHttp2Stream, Unfinished>();
  #bytes = 0;
  #cancelTimer: CancelTimer | undefined;

  constructor(limits: ApiLimits, deps: Deps) {
    this.#most = limits.PENSTOCK_API_MAX_CALLS;
    this.#deps = deps;
  }

  watch(server: Http2Server): void {
    server.prependListener('stream', (stream) => this.#begin(stream as ServerHttp2Stream));
  }

  /** Of somebody who is let in, who may ask over this one stream as long as he likes, until `answered`. */
  letTalk(stream: ServerHttp2Stream): void {
    const unfinished = this.#unfinished.get(stream);
    if (unfinished) unfinished.isPatient = true;
  }

  /** Who was let talk has his answer: he may take as long as anybody to end his request. */
  answered(stream: ServerHttp2Stream): void {
    const unfinished = this.#unfinished.get(stream);
    if (!unfinished?.isPatient) return;
    unfinished.isPatient = false;
    this.#arm();
  }

  #begin(stream: ServerHttp2Stream): void {
    const forget = () => this.#remove(unfinished);
    const since = this.#deps.clock.monotonic();
    const unfinished: Unfinished = { stream, forget, since, isPatient: false, bytes: 0 };
    this.#unfinished.set(stream, unfinished);
    // It does not flow before grpc-js wants it.
    stream.on('data', (chunk: Buffer) => this.#came(unfinished, chunk.length));
    stream.once('end', forget);
    stream.once('close', forget);
    if (this.#unfinished.size > this.#most) this.#cutOldest('crowded_out');
    this.#arm();
  }

  #came(unfinished: Unfinished, bytes: number): void {
    if (!this.#unfinished.has(unfinished.stream)) return;
    unfinished.bytes += bytes;
    this.#bytes += bytes;
    while (this.#bytes > MAX_BYTES) this.#cutOldest('memory');
  }

  #remove({ stream, forget, bytes }: Unfinished): void {
    if (!this.#unfinished.delete(stream)) return;
    this.#bytes -= bytes;
    stream.off('end', forget);
    stream.off('close', forget);
  }

  #arm(): void {
    if (this.#cancelTimer) return;
    for (const { isPatient, since } of this.#unfinished.values()) {
      if (isPatient) continue;
      const left = Math.max(1, since + TIMEOUT - this.#deps.clock.monotonic());
      this.#cancelTimer = this.#deps.clock.setTimer(() => this.#look(), left, { unref: true });
      break;
    }
  }

  #look(): void {
    this.#cancelTimer = undefined;
    for (const unfinished of this.#unfinished.values()) {
      if (this.#deps.clock.monotonic() - unfinished.since < TIMEOUT) break;
      if (!unfinished.isPatient) this.#cut(unfinished, 'slow');
    }
    this.#arm();
  }

  #cutOldest(reason: string): void {
    const [oldest] = this.#unfinished.values();
    this.#cut(oldest!, reason);
  }

  #cut(unfinished: Unfinished, reason: string): void {
    this.#remove(unfinished);
    this.#deps.metrics.requestsCut.inc({ reason });
    const { stream } = unfinished;
    stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM); // gRPC: RESOURCE_EXHAUSTED
    stream.destroy();
  }
}
