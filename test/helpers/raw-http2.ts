import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

export const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, continuation: 9 };
export const FLAG = { ack: 1, endStream: 1, endHeaders: 4 };
const MAGIC = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export function frame(type: number, flags = 0, stream = 0, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export const PING = frame(FRAME.ping, 0, 0, Buffer.alloc(8));
export const SETTINGS = frame(FRAME.settings);
export const PREFACE = Buffer.concat([MAGIC, SETTINGS]);

/** Headers as HPACK has them without a table and without Huffman's code: a literal that is not kept. */
export const headerBlock = (headers: readonly (readonly [string, string])[]): Buffer =>
  Buffer.concat(headers.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));

/** The length has a prefix of 7 bits. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length = [127];
  let left = bytes.length - 127;
  for (; left >= 128; left >>= 7) length.push((left & 127) | 128);
  return Buffer.concat([Buffer.from([...length, left]), bytes]);
}

export const callHeaders = (method: string, ...more: readonly (readonly [string, string])[]) => [
  [':method', 'POST'] as const,
  [':scheme', 'http'] as const,
  [':path', `/penstock.v1.IntegrationService/${method}`] as const,
  [':authority', 'localhost'] as const,
  ['content-type', 'application/grpc'] as const,
  ['te', 'trailers'] as const,
  ...more,
];

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly payload: Buffer;
}

/** A connection that says what it is told to, right or wrong, and keeps what comes back. */
export class RawHttp2 {
  readonly socket: Socket;
  #received = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.socket = socket;
    socket
      .on('error', () => {})
      .on('data', (chunk) => {
        this.#received = Buffer.concat([this.#received, chunk]);
      });
  }

  send(...bytes: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(bytes));
  }

  get frames(): readonly Frame[] {
    const frames: Frame[] = [];
    for (let at = 0; at + 9 <= this.#received.length; ) {
      const end = at + 9 + this.#received.readUIntBE(at, 3);
      const [type, flags] = [this.#received[at + 3]!, this.#received[at + 4]!];
      frames.push({ type, flags, payload: this.#received.subarray(at + 9, end) });
      at = end;
    }
    return frames;
  }

  count(type: number, flags?: number): number {
    return this.frames.filter((one) => one.type === type && (flags === undefined || one.flags === flags))
      .length;
  }

  /** The codes of the GOAWAYs that came, and what they say beside. */
  get goaways(): readonly (readonly [code: number, text: string])[] {
    return this.frames
      .filter(({ type }) => type === FRAME.goaway)
      .map(({ payload }) => [payload.readUInt32BE(4), payload.subarray(8).toString()]);
  }

  async closed(): Promise<void> {
    if (!this.socket.closed) await once(this.socket, 'close');
  }
}

/** Connected; whoever opens it closes it. @param from the local address */
export async function openRaw(address: string, from = '127.0.0.1'): Promise<RawHttp2> {
  const { hostname, port } = new URL(`http://${address}`);
  const socket = connect({ host: hostname, port: Number(port), localAddress: from });
  const connection = new RawHttp2(socket);
  await once(socket, 'connect');
  return connection;
}

/** Each connected, one after the other. @param from the local address */
export async function rawConnections(
  t: TestContext,
  address: string,
  count: number,
  from = '127.0.0.1',
): Promise<RawHttp2[]> {
  const connections: RawHttp2[] = [];
  t.after(() => {
    for (const { socket } of connections) socket.destroy();
  });
  for (let i = 0; i < count; i++) connections.push(await openRaw(address, from));
  return connections;
}

export async function rawConnection(t: TestContext, address: string): Promise<RawHttp2> {
  const [connection] = await rawConnections(t, address, 1);
  return connection!;
}
