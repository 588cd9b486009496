import { MqttError, malformed, ReasonCode } from './protocol.ts';

/** A control packet as it came. Its buffers alias the network buffer. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  /** What follows the fixed header. */
  readonly body: Buffer;
  readonly whole: Buffer;
}

/** Remaining Length takes up to four bytes (MQTT 5.0 §1.5.5). */
const MAX_LENGTH_BYTES = 4;

/** Cuts a byte stream into control packets. What a packet says of its size is judged before it is waited for. */
export class Framer {
  readonly #maxPacketBytes: number;
  #chunks: Buffer[] = [];
  #buffered = 0;
  /** `next` cannot succeed with fewer bytes than these. */
  #needed = 2;

  constructor(maxPacketBytes: number) {
    this.#maxPacketBytes = maxPacketBytes;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
  }

  /**
   * The next whole packet, if it is there.
   * @throws MqttError when it is too large or its header is malformed
   */
  next(): Frame | undefined {
    if (this.#buffered < this.#needed) return undefined;
    const [first] = this.#chunks;
    const buffer = this.#chunks.length === 1 && first ? first : Buffer.concat(this.#chunks, this.#buffered);
    const header = headerOf(buffer);
    const size = header === undefined ? this.#buffered + 1 : header.bytes + header.length;
    if (size > this.#maxPacketBytes && header !== undefined) {
      const limit = `a packet of ${size} bytes, more than the ${this.#maxPacketBytes} allowed`;
      throw new MqttError(ReasonCode.PACKET_TOO_LARGE, limit);
    }
    if (header === undefined || this.#buffered < size) {
      this.#chunks = [buffer];
      this.#needed = size;
      return undefined;
    }
    this.#chunks = buffer.length === size ? [] : [buffer.subarray(size)];
    this.#buffered -= size;
    this.#needed = 2;
    const start = buffer[0]!;
    const whole = buffer.subarray(0, size);
    return { type: start >> 4, flags: start & 0x0f, body: whole.subarray(header.bytes), whole };
  }
}

/** How long header and body are; undefined when the header is not complete. */
function headerOf(buffer: Buffer): { readonly bytes: number; readonly length: number } | undefined {
  let length = 0;
  for (let index = 1; index <= MAX_LENGTH_BYTES; index++) {
    const byte = buffer[index];
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) * 128 ** (index - 1);
    if (byte < 0x80) return { bytes: index + 1, length };
  }
  throw malformed('a Remaining Length of more than four bytes');
}
