import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { generate, type Packet, parser } from 'mqtt-packet';
import { waitUntil } from './wait-until.ts';

export const [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10] as const;

interface FrameOptions {
  readonly isFinal?: boolean;
  readonly isMasked?: boolean;
  readonly reserved?: number;
}

/** A frame of a client, right or wrong. */
export function clientFrame(opcode: number, payload: Buffer | string, options: FrameOptions = {}): Buffer {
  const { isFinal = true, isMasked = true, reserved = 0 } = options;
  const bytes = Buffer.from(payload);
  const { length } = bytes;
  const size = length < 126 ? [length] : length < 65_536 ? [126, 0, 0] : [127, 0, 0, 0, 0, 0, 0, 0, 0];
  const header = Buffer.from([(isFinal ? 0x80 : 0) | reserved | opcode, ...size]);
  if (size.length === 3) header.writeUInt16BE(length, 2);
  if (size.length === 9) header.writeBigUInt64BE(BigInt(length), 2);
  if (!isMasked) return Buffer.concat([header, bytes]);
  header[1]! |= 0x80;
  const mask = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);
  return Buffer.concat([header, mask, bytes.map((byte, index) => byte ^ mask[index % 4]!)]);
}

/** The lines of a handshake that is right, but for what stands in `more`; an empty value leaves a line out. */
export function handshakeLines(more: Readonly<Record<string, string>> = {}, target = '/mqtt'): string[] {
  const headers = {
    host: 'localhost',
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'sec-websocket-protocol': 'mqtt',
    ...more,
  };
  const lines = Object.entries(headers).filter(([, value]) => value !== '');
  return [`GET ${target} HTTP/1.1`, ...lines.map(([name, value]) => `${name}: ${value}`)];
}

/** A client over WebSocket that sends what it is told, right or wrong, and keeps what it gets. */
export class RawWebSocket {
  readonly socket: Socket;
  readonly frames: { readonly opcode: number; readonly payload: Buffer }[] = [];
  /** The MQTT packets in them. */
  readonly packets: Packet[] = [];
  /** The answer to the handshake. */
  head = '';
  #bytes = Buffer.alloc(0);
  readonly #version: 3 | 4 | 5;
  readonly #parser;

  /** `ca`: it speaks TLS, and trusts this authority. */
  constructor(
    t: TestContext,
    address: string,
    version: 3 | 4 | 5 = 5,
    lines = handshakeLines(),
    ca?: string,
  ) {
    const { hostname, port } = new URL(`http://${address}`);
    this.#version = version;
    this.#parser = parser({ protocolVersion: version });
    this.#parser.on('packet', (packet) => this.packets.push(packet));
    // Half open: it hears what comes behind its own end.
    const target = { port: Number(port), host: hostname, allowHalfOpen: true };
    this.socket = ca === undefined ? connect(target) : connectTls({ ...target, ca });
    this.socket.on('end', () => this.socket.end());
    this.socket.on('error', () => {});
    this.socket.on('data', (chunk: Buffer) => this.#take(chunk));
    this.socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    t.after(() => this.socket.destroy());
  }

  static async open(...args: ConstructorParameters<typeof RawWebSocket>): Promise<RawWebSocket> {
    const client = new RawWebSocket(...args);
    await waitUntil('the handshake', () => client.head !== '');
    return client;
  }

  /** The code that the server closed with. */
  get closeCode(): number | undefined {
    return this.frames.find(({ opcode }) => opcode === CLOSE)?.payload.readUInt16BE(0);
  }

  packet(packet: Packet): Buffer {
    return generate(packet, { protocolVersion: this.#version });
  }

  /** Each packet in a frame of its own. */
  send(...packets: Packet[]): void {
    this.write(...packets.map((packet) => clientFrame(BINARY, this.packet(packet))));
  }

  write(...frames: Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  async received(count: number): Promise<readonly Packet[]> {
    await waitUntil(`${count} packets`, () => this.packets.length >= count);
    return this.packets;
  }

  async closed(): Promise<void> {
    if (!this.socket.closed) await once(this.socket, 'close', { signal: AbortSignal.timeout(15_000) });
  }

  #take(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    if (this.head === '') {
      const end = this.#bytes.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.head = this.#bytes.subarray(0, end).toString();
      this.#bytes = this.#bytes.subarray(end + 4);
    }
    while (this.#bytes.length >= 2 && this.head.startsWith('HTTP/1.1 101')) {
      const short = this.#bytes[1]!;
      if (short > 125) throw new Error('a frame that no server of these tests sends');
      if (this.#bytes.length < 2 + short) return;
      const frame = { opcode: this.#bytes[0]! & 0x0f, payload: this.#bytes.subarray(2, 2 + short) };
      this.frames.push(frame);
      if (frame.opcode === BINARY) this.#parser.parse(frame.payload);
      this.#bytes = this.#bytes.subarray(2 + short);
    }
  }
}
