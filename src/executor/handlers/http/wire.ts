import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../../runtime/clock.ts';

const NOTHING = Buffer.alloc(0);
const [CR, LF] = [13, 10];
const BLANK = 32;
const ZERO = 48;
/** The beginning of an answer of HTTP/1.1; behind it come a digit, a blank, three digits, and a blank or a line break. */
const PROTOCOL = Buffer.from('HTTP/1.');
const STATUS_AT = 9;
const STATUS_LINE_LENGTH = 13;
/** A connection that goes on as something else is no interim answer. */
const SWITCHING_PROTOCOLS = 101;

/**
 * A socket of HTTP, and what comes over it before undici reads it. Of HTTP/1.1 the interim answers are taken out, for undici
 * takes 100 for the end of the connection; and the status is told at once, which counts whatever becomes of the rest.
 */
export class Wire {
  /** Of the answer to the last request; 0: not told, or over HTTP/2. */
  status = 0;
  /** Whether a request was answered. */
  hasServed = false;
  readonly #socket: Socket;
  /** Requests on it that are not over. */
  #open = 0;
  /** Whether there were several when it was lost. */
  #wasShared: boolean | undefined;
  /** Those who wait for its end, and not for long: it may serve for days. */
  readonly #waiting = new Set<() => void>();
  #isSilent = true;
  #expectsHead = false;
  /** Between the status line of an interim answer and its end. */
  #isInInterim = false;
  /** What came of a head so far, too short to tell. */
  #held: Buffer = NOTHING;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.once('close', () => {
      for (const end of this.#waiting) end();
    });
    if ((socket as Partial<TLSSocket>).alpnProtocol !== 'h2') this.#intercept();
  }

  /** Whether it has ended, and not a byte came back since the last request, as far as HTTP/1.1 is spoken. */
  get diedSilently(): boolean {
    return this.#isSilent && this.#socket.destroyed;
  }

  get isShared(): boolean {
    return this.#open > 1;
  }

  /** Whether it has ended; to be asked before the first of its requests is over for that. */
  get isLost(): boolean {
    if (this.#socket.destroyed) this.#wasShared ??= this.isShared;
    return this.#socket.destroyed;
  }

  /** Resolves when it has ended, or after so many milliseconds. */
  ended(clock: Clock, within: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = () => {
      cancel();
      this.#waiting.delete(end);
      resolve();
    };
    const cancel = clock.setTimer(end, within);
    this.#waiting.add(end);
    return promise;
  }

  /** Of one that is lost: whether several requests were on it. */
  get wasShared(): boolean {
    return this.#wasShared ?? false;
  }

  /** A request is over. */
  end(): void {
    this.#open--;
  }

  /** A request leaves. */
  begin(): void {
    this.#open++;
    this.status = 0;
    this.#isSilent = true;
    this.#expectsHead = true;
    this.#isInInterim = false;
    this.#held = NOTHING;
  }

  #intercept(): void {
    const push = this.#socket.push;
    this.#socket.push = (chunk: Buffer | null) => {
      const rest = chunk && this.#take(chunk);
      return rest?.length === 0 || push.call(this.#socket, rest);
    };
  }

  /** What undici gets of it. */
  #take(chunk: Buffer): Buffer {
    this.#isSilent = false;
    if (!this.#expectsHead) return chunk;
    let rest = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = NOTHING;
    while (rest.length > 0) {
      if (this.#isInInterim) {
        const end = endOfHead(rest);
        // An end may be cut in two.
        if (end === -1) return this.#hold(rest.subarray(-2));
        this.#isInInterim = false;
        rest = rest.subarray(end);
        continue;
      }
      rest = withoutLineBreaks(rest);
      if (rest.length < STATUS_LINE_LENGTH && mayBeHead(rest)) return this.#hold(rest);
      const status = statusIn(rest);
      this.#isInInterim = status > 0 && status < 200 && status !== SWITCHING_PROTOCOLS;
      if (this.#isInInterim) continue;
      this.status = status;
      this.#expectsHead = false;
      return rest;
    }
    return NOTHING;
  }

  #hold(rest: Buffer): Buffer {
    this.#held = rest;
    return NOTHING;
  }
}

/** Behind the empty line that ends a head; -1: it is not there. */
function endOfHead(bytes: Buffer): number {
  for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, at + 1)) {
    const next = bytes[at + 1] === CR ? at + 2 : at + 1;
    if (bytes[next] === LF) return next + 1;
  }
  return -1;
}

/** As far as it came. */
function mayBeHead(bytes: Buffer): boolean {
  for (let at = 0; at < PROTOCOL.length && at < bytes.length; at++) {
    if (bytes[at] !== PROTOCOL[at]) return false;
  }
  return true;
}

/** The status of a head; 0: it is none. */
function statusIn(bytes: Buffer): number {
  const end = bytes[STATUS_LINE_LENGTH - 1];
  if (!mayBeHead(bytes) || bytes[STATUS_AT - 1] !== BLANK) return 0;
  if (end !== BLANK && end !== CR && end !== LF) return 0;
  let status = 0;
  for (let at = STATUS_AT; at < STATUS_AT + 3; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) return 0;
    status = status * 10 + digit;
  }
  return status >= 100 ? status : 0;
}

/** Some servers end a body with a line break more than they say. */
function withoutLineBreaks(bytes: Buffer): Buffer {
  let at = 0;
  while (bytes[at] === CR || bytes[at] === LF) at++;
  return at === 0 ? bytes : bytes.subarray(at);
}
