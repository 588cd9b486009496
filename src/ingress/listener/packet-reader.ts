import { isUtf8 } from 'node:buffer';
import { malformed } from './protocol.ts';

/** Reads MQTT's data types (MQTT 5.0 §1.5) out of one packet. Every read throws an `MqttError` where the packet ends early. */
export class PacketReader {
  readonly #buffer: Buffer;
  readonly #end: number;
  #at: number;

  constructor(buffer: Buffer, start = 0, end = buffer.length) {
    this.#buffer = buffer;
    this.#at = start;
    this.#end = end;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#end;
  }

  /** @throws MqttError when the packet goes on */
  expectEnd(): void {
    if (!this.isAtEnd) throw malformed('a packet that goes on after its end');
  }

  /** How many bytes were not read yet. */
  get left(): number {
    return this.#end - this.#at;
  }

  byte(): number {
    return this.#buffer[this.#advance(1)]!;
  }

  uint16(): number {
    return this.#buffer.readUInt16BE(this.#advance(2));
  }

  uint32(): number {
    return this.#buffer.readUInt32BE(this.#advance(4));
  }

  variableByteInteger(): number {
    let value = 0;
    for (let factor = 1; factor <= 128 ** 3; factor *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    throw malformed('a variable byte integer of more than four bytes');
  }

  /** Aliases the packet. */
  binary(): Buffer {
    const length = this.uint16();
    const start = this.#advance(length);
    return this.#buffer.subarray(start, start + length);
  }

  /** Reads over a binary or a string, and does not look at it. */
  skip(): void {
    this.#advance(this.uint16());
  }

  string(): string {
    const bytes = this.binary();
    if (!isUtf8(bytes)) throw malformed('a string that is not UTF-8');
    const text = bytes.toString();
    if (text.includes('\0')) throw malformed('a string with a NUL');
    return text;
  }

  /** All that is left. Aliases the packet. */
  rest(): Buffer {
    return this.#buffer.subarray(this.#advance(this.left), this.#end);
  }

  /** A reader of the next `length` bytes alone. */
  section(length: number): PacketReader {
    const start = this.#advance(length);
    return new PacketReader(this.#buffer, start, start + length);
  }

  /** A packet identifier, which is never 0. */
  packetId(): number {
    const id = this.uint16();
    if (id === 0) throw malformed('a packet identifier of 0');
    return id;
  }

  #advance(bytes: number): number {
    const start = this.#at;
    if (start + bytes > this.#end) throw malformed('a packet that ends early');
    this.#at = start + bytes;
    return start;
  }
}
