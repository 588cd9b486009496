import { malformed, tooLarge } from './protocol.ts';

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
const MIN_PACKET_BYTES = 2;
/** The first size of the buffer that a packet is gathered in. */
const GATHERED_BYTES = 64;
const EMPTY: Buffer = Buffer.alloc(0);

/**
 * Cuts a byte stream into control packets. What a packet says of its size is judged before it is waited for. A packet that is
 * not there yet is gathered in one buffer, however many segments it comes in: a segment of one byte would else keep a buffer
 * of its own, or a whole read.
 */
export class Framer {
  /** The largest packet allowed, from the next one on. */
  maxPacketBytes: number;
  /** What came and was not looked at. Aliases the network buffer. */
  #unread = EMPTY;
  #gathered = EMPTY;
  #length = 0;

  constructor(maxPacketBytes: number) {
    this.maxPacketBytes = maxPacketBytes;
  }

  /** What it keeps in memory. */
  get bytes(): number {
    // A small rest keeps the whole read.
    const read = this.#unread.length === 0 ? 0 : this.#unread.buffer.byteLength;
    return read + this.#gathered.length;
  }

  /** Whether a packet has begun that is not there yet. Only after `next` had none. */
  get isWithinPacket(): boolean {
    return this.#length > 0;
  }

  push(chunk: Buffer): void {
    this.#unread = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
  }

  /**
   * The next whole packet, if it is there.
   * @throws MqttError when it is too large or its header is malformed
   */
  next(): Frame | undefined {
    if (this.#length === 0) {
      const size = this.#sizeOf(this.#unread);
      if (size !== undefined && size <= this.#unread.length) return frameOf(this.#take(size), size);
    }
    while (this.#unread.length > 0) {
      const announced = this.#gatheredSize();
      this.#gather((announced ?? Math.max(this.#length + 1, MIN_PACKET_BYTES)) - this.#length);
      const size = announced ?? this.#gatheredSize(); // a packet without a body ends with its header
      if (this.#length === size) return frameOf(this.#gatheredPacket(), size);
    }
    return undefined;
  }

  /** Lets go of everything: no packet is wanted any more. */
  clear(): void {
    this.#unread = EMPTY;
    this.#gathered = EMPTY;
    this.#length = 0;
  }

  /** How long the packet is that begins here; undefined when its header is not complete. */
  #sizeOf(start: Buffer): number | undefined {
    const size = packetSize(start);
    if (size !== undefined && size > this.maxPacketBytes) {
      throw tooLarge(`a packet of ${size} bytes, more than the ${this.maxPacketBytes} allowed`);
    }
    return size;
  }

  #take(bytes: number): Buffer {
    const taken = this.#unread.subarray(0, bytes);
    this.#unread = this.#unread.length > bytes ? this.#unread.subarray(bytes) : EMPTY;
    return taken;
  }

  /** Moves up to so many bytes. The buffer grows with what has come, not with what is announced. */
  #gather(missing: number): void {
    const more = this.#take(missing);
    const length = this.#length + more.length;
    if (length > this.#gathered.length) {
      const wanted = Math.max(length, 2 * this.#gathered.length, GATHERED_BYTES);
      const larger = Buffer.allocUnsafeSlow(
        Math.min(wanted, Math.max(this.#length + missing, GATHERED_BYTES)),
      );
      this.#gathered.copy(larger, 0, 0, this.#length);
      this.#gathered = larger;
    }
    more.copy(this.#gathered, this.#length);
    this.#length = length;
  }

  #gatheredSize(): number | undefined {
    return this.#sizeOf(this.#gathered.subarray(0, this.#length));
  }

  #gatheredPacket(): Buffer {
    const packet = this.#gathered;
    this.#gathered = EMPTY;
    this.#length = 0;
    return packet;
  }
}

function frameOf(buffer: Buffer, size: number): Frame {
  const start = buffer[0]!;
  const whole = buffer.subarray(0, size);
  let header = MIN_PACKET_BYTES;
  while (buffer[header - 1]! >= 0x80) header++;
  return { type: start >> 4, flags: start & 0x0f, body: whole.subarray(header), whole };
}

/** Header and body together; undefined when the header is not complete. */
function packetSize(buffer: Buffer): number | undefined {
  let length = 0;
  for (let index = 1; index <= MAX_LENGTH_BYTES; index++) {
    const byte = buffer[index];
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) * 128 ** (index - 1);
    if (byte < 0x80) return index + 1 + length;
  }
  throw malformed('a Remaining Length of more than four bytes');
}
