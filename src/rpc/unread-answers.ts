import { constants, type ServerHttp2Stream } from 'node:http2';
import type { CancelTimer, Clock } from '../runtime/clock.ts';

/** Some of the largest answers: what all callers together may leave unread. */
const MAX_BYTES = 128 << 20;
/** A connection that took less than this meanwhile reads nothing but what keeps it alive. */
const LITTLE = 16 << 10;
/** How often an answer that is being read, as it seems, is given time once more. */
const MAX_PERIODS = 10;

interface Options {
  readonly clock: Clock;
  /** A caller that takes nothing of what it is sent for so many milliseconds is cut. */
  readonly stallTimeout: number;
  /** Unset: 128 MiB. */
  readonly maxBytes?: number;
  /** Told of each answer that is given up. */
  readonly onCut: (reason: CutReason) => void;
  /** Told of each message that leaves. */
  readonly onSent?: (stream: ServerHttp2Stream) => void;
}

export type CutReason = 'stalled' | 'memory';

/** What was sent on one stream and not taken by its caller. */
interface Unread {
  readonly stream: ServerHttp2Stream;
  readonly forget: () => void;
  /** Ends an answer that goes on; undefined: it is whole. */
  end: (() => void) | undefined;
  bytes: number;
  /** Since when nothing of it was taken, and what the connection had taken by then. */
  since: number;
  taken: number;
  periods: number;
}

/**
 * What gRPC callers were sent and do not take lies in the memory of this process, since HTTP/2 lets each of them close the
 * window of a stream: bounded in time and, over all of them, in bytes.
 */
export class UnreadAnswers {
  readonly #options: Options;
  /** Of those that wait, the one that waits longest comes first. */
  readonly #unread = new Map<ServerHttp2Stream, Unread>();
  #bytes = 0;
  #cancelTimer: CancelTimer | undefined;

  constructor(options: Options) {
    this.#options = options;
  }

  /** So much is being written. `end`, of an answer that goes on, is called once when its caller stalls. */
  sent(stream: ServerHttp2Stream, bytes: number, end?: () => void): void {
    if (stream.destroyed) return;
    this.#options.onSent?.(stream);
    const unread = this.#unread.get(stream) ?? this.#begin(stream, end);
    unread.bytes += bytes;
    this.#bytes += bytes;
    for (const oldest of this.#unread.values()) {
      if (oldest === unread || this.#bytes <= (this.#options.maxBytes ?? MAX_BYTES)) break;
      this.#cut(oldest, 'memory');
    }
    this.#arm();
  }

  /** The caller took so much of it. */
  took(stream: ServerHttp2Stream, bytes: number): void {
    const unread = this.#unread.get(stream);
    if (unread === undefined) return;
    unread.bytes -= bytes;
    this.#bytes -= bytes;
    if (unread.bytes <= 0) this.#remove(unread);
    else this.#renew(unread, 0);
  }

  #begin(stream: ServerHttp2Stream, end: (() => void) | undefined): Unread {
    const forget = () => this.#remove(unread);
    const since = this.#options.clock.monotonic();
    const unread = { stream, forget, end, bytes: 0, since, taken: takenBy(stream), periods: 0 };
    this.#unread.set(stream, unread);
    stream.once('close', forget);
    return unread;
  }

  #remove(unread: Unread): void {
    if (!this.#unread.delete(unread.stream)) return;
    this.#bytes -= unread.bytes;
    unread.stream.off('close', unread.forget);
    if (this.#unread.size > 0) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #renew(unread: Unread, periods: number): void {
    unread.since = this.#options.clock.monotonic();
    unread.taken = takenBy(unread.stream);
    unread.periods = periods;
    this.#unread.delete(unread.stream);
    this.#unread.set(unread.stream, unread);
  }

  #arm(): void {
    const [oldest] = this.#unread.values();
    if (this.#cancelTimer || oldest === undefined) return;
    const { clock, stallTimeout } = this.#options;
    const left = Math.max(1, oldest.since + stallTimeout - clock.monotonic());
    this.#cancelTimer = clock.setTimer(() => this.#look(), left, { unref: true });
  }

  /** Ends or cuts those whose time is over. */
  #look(): void {
    this.#cancelTimer = undefined;
    const { clock, stallTimeout } = this.#options;
    for (const unread of [...this.#unread.values()]) {
      if (clock.monotonic() - unread.since < stallTimeout) break;
      this.#judge(unread);
    }
    this.#arm();
  }

  #judge(unread: Unread): void {
    const { end, periods, taken, stream } = unread;
    if (end) {
      // Who reads on is told; what is never read goes after as long again.
      unread.end = undefined;
      this.#renew(unread, 0);
      end();
    } else if (takenBy(stream) - taken >= LITTLE && periods < MAX_PERIODS) {
      // Of one stream it is not to be seen how much of a message left; it may be on its way over a slow connection.
      this.#renew(unread, periods + 1);
    } else {
      this.#cut(unread, 'stalled');
    }
  }

  #cut(unread: Unread, reason: CutReason): void {
    this.#remove(unread);
    unread.end?.();
    unread.stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM); // gRPC: RESOURCE_EXHAUSTED
    unread.stream.destroy(); // also where a reset cannot be sent, as nothing is read of the connection
    this.#options.onCut(reason);
  }
}

/** What the peer of a stream has taken from this process, of all streams of the connection. */
const takenBy = ({ session }: ServerHttp2Stream): number => session?.socket?.bytesWritten ?? 0;
