/** Why a WebSocket connection ends (RFC 6455 §7.4). */
export const CloseCode = {
  NORMAL: 1000,
  PROTOCOL_ERROR: 1002,
  UNSUPPORTED_DATA: 1003,
  TOO_BIG: 1009,
} as const;
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];

export const Opcode = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 } as const;

/** What a client may not send. */
export class WebSocketError extends Error {
  override readonly name = 'WebSocketError';
  readonly code: CloseCode;

  constructor(code: CloseCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** What was in some bytes of a client. */
export interface FramesRead {
  /** The payload of its binary frames, wherever they begin and end. Aliases the bytes. */
  readonly data: Buffer;
  /** What the last PING had, which may answer for those before it. Unset: there was none. */
  readonly ping: Buffer | undefined;
}

/** Two bytes, eight of a length, four of a mask. */
const MAX_HEADER_BYTES = 14;
const MAX_CONTROL_BYTES = 125;
const [FIN, RESERVED, MASKED] = [0x80, 0x70, 0x80];

/**
 * Takes the frames of a client (RFC 6455 §5) apart as their bytes come: where a frame or a message ends does not matter to a
 * stream, so nothing is kept until it does. What it keeps is a header and the payload of a PING.
 */
export class FrameReader {
  readonly #header = Buffer.alloc(MAX_HEADER_BYTES);
  #headerLength = 0;
  /** Of the frame's payload. */
  #left = 0;
  #isInFrame = false;
  /** A message has begun whose last frame has not ended. */
  #isInMessage = false;
  readonly #mask = Buffer.alloc(4);
  #maskAt = 0;
  #control = Buffer.alloc(0);
  #ping: Buffer | undefined;
  #isClosed = false;

  /** Whether the client has said that it sends no more: what comes behind it is dropped. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Reads what came, and writes over it.
   * @throws WebSocketError when the connection has to end
   */
  read(bytes: Buffer): FramesRead {
    let at = 0;
    let length = 0;
    while (at < bytes.length && !this.#isClosed) {
      if (!this.#isInFrame) {
        this.#takeHeader(bytes[at++]!);
        continue;
      }
      const end = Math.min(bytes.length, at + this.#left);
      const to = this.#isControl ? at : length; // data lies side by side
      this.#unmask(bytes, at, end, to);
      if (this.#isControl) this.#control = Buffer.concat([this.#control, bytes.subarray(at, end)]);
      else length += end - at;
      this.#left -= end - at;
      at = end;
      if (this.#left === 0) this.#endFrame();
    }
    const ping = this.#ping;
    this.#ping = undefined;
    return { data: bytes.subarray(0, length), ping };
  }

  get #opcode(): number {
    return this.#header[0]! & 0x0f;
  }

  get #isControl(): boolean {
    return this.#opcode >= Opcode.CLOSE;
  }

  #takeHeader(byte: number): void {
    this.#header[this.#headerLength++] = byte;
    if (this.#headerLength === 2) this.#checkHeader();
    const short = this.#header[1]! & 0x7f;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    if (this.#headerLength < 2 || this.#headerLength < 6 + lengthBytes) return;
    this.#left = lengthBytes === 0 ? short : this.#longLength(lengthBytes);
    this.#header.copy(this.#mask, 0, 2 + lengthBytes, 6 + lengthBytes);
    this.#maskAt = 0;
    this.#isInFrame = true;
    if (this.#left === 0) this.#endFrame();
  }

  #longLength(bytes: 2 | 8): number {
    const length = bytes === 2 ? this.#header.readUInt16BE(2) : Number(this.#header.readBigUInt64BE(2));
    if (length > Number.MAX_SAFE_INTEGER) throw new WebSocketError(CloseCode.TOO_BIG, 'a frame without end');
    return length;
  }

  /** By its first two bytes, before more is waited for. */
  #checkHeader(): void {
    const [first, second] = [this.#header[0]!, this.#header[1]!];
    const wrong = (what: string) => new WebSocketError(CloseCode.PROTOCOL_ERROR, what);
    if (first & RESERVED) throw wrong('a frame with reserved bits: no extension is agreed on');
    if (!(second & MASKED)) throw wrong('a frame that is not masked');
    switch (this.#opcode) {
      case Opcode.CONTINUATION:
        if (!this.#isInMessage) throw wrong('a continuation of no message');
        break;
      case Opcode.TEXT:
        // MQTT 5.0 §6
        throw new WebSocketError(CloseCode.UNSUPPORTED_DATA, 'a text frame: MQTT is sent in binary ones');
      case Opcode.BINARY:
        if (this.#isInMessage) throw wrong('a message within a message');
        break;
      case Opcode.CLOSE:
      case Opcode.PING:
      case Opcode.PONG:
        if (!(first & FIN)) throw wrong('a control frame in parts');
        if ((second & 0x7f) > MAX_CONTROL_BYTES) throw wrong('a control frame of more than 125 bytes');
        break;
      default:
        throw wrong(`a frame of type ${this.#opcode}`);
    }
  }

  #unmask(bytes: Buffer, start: number, end: number, to: number): void {
    const mask = this.#mask;
    let maskAt = this.#maskAt;
    for (let from = start; from < end; from++) bytes[to++] = bytes[from]! ^ mask[maskAt++ & 3]!;
    this.#maskAt = maskAt & 3;
  }

  #endFrame(): void {
    if (this.#opcode === Opcode.CLOSE) this.#isClosed = true;
    else if (this.#opcode === Opcode.PING) this.#ping = this.#control;
    else if (!this.#isControl) this.#isInMessage = !(this.#header[0]! & FIN);
    this.#control = Buffer.alloc(0);
    this.#headerLength = 0;
    this.#isInFrame = false;
  }
}
