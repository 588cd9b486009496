import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { generate, type IConnectPacket, type Packet } from 'mqtt-packet';
import { connectPacket } from './raw-mqtt-client.ts';

/** A client that holds as much of the server's memory as it can; it gives up when it is let go. */
type Attack = (sockets: Sockets, index: number) => Promise<void>;

/** Connections to a listener that stay until all are closed. */
export class Sockets {
  readonly #address: string;
  readonly #open = new Set<Socket>();

  constructor(address: string) {
    this.#address = address;
  }

  get open(): number {
    return this.#open.size;
  }

  async connect(): Promise<Socket> {
    const [host, port] = this.#address.split(':');
    const socket = connect(Number(port), host);
    socket.on('error', () => {});
    socket.on('close', () => this.#open.delete(socket));
    this.#open.add(socket);
    socket.resume();
    await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => {});
    return socket;
  }

  close(): void {
    for (const socket of this.#open) socket.destroy();
  }
}

const MiB = 1_048_576;
const text = (bytes: number) => 'x'.repeat(bytes);
/** The beginning of a PUBLISH of QoS 0 of a mebibyte. */
const HEADER = Buffer.from([0x30, 0xf0, 0xff, 0x3f]);

/** Writes, and waits until it has left or nobody reads it any more. */
async function write(socket: Socket, bytes: Buffer): Promise<void> {
  if (!socket.writable) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      socket.off('close', done);
      resolve();
    };
    socket.once('close', done);
    socket.write(bytes, done);
  });
}

const send = (socket: Socket, version: 4 | 5, ...packets: Packet[]) =>
  write(socket, Buffer.concat(packets.map((packet) => generate(packet, { protocolVersion: version }))));

function connectAs(
  name: string,
  index: number,
  version: 4 | 5,
  more: Partial<IConnectPacket> = {},
): IConnectPacket {
  return { ...connectPacket(version, `${name}-${index}`), ...more };
}

/** Waits until the server has handled the CONNECT, one way or the other. */
async function answered(socket: Socket): Promise<void> {
  if (!socket.destroyed) await Promise.race([once(socket, 'data'), once(socket, 'close')]).catch(() => {});
}

/** A packet, by its first byte and what follows the fixed header. */
function packet(first: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([first]), variableByteInteger(body.length), body]);
}

const string = (value: string) => Buffer.concat([Buffer.from([0, value.length]), Buffer.from(value)]);

/** So many empty user properties, with their length before them. */
function emptyProperties(count: number): Buffer {
  const properties = Buffer.alloc(count * 5);
  for (let at = 0; at < properties.length; at += 5) properties[at] = 0x26;
  return Buffer.concat([variableByteInteger(properties.length), properties]);
}

/** A will whose properties take many times their bytes. */
const largeWill: Attack = async (sockets, index) => {
  const start = Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 5, 0x06, 0, 0, 0]);
  const will = [emptyProperties(200_000), string('gone'), string('x')];
  const socket = await sockets.connect();
  await write(socket, packet(0x10, start, string(`large-will-${index}`), ...will));
  await answered(socket);
};

/** As large as a will may be. */
const allowedWill: Attack = async (sockets, index) => {
  const properties = { userProperties: { a: Array<string>(1000).fill(text(50)) } };
  const will = { topic: 'gone', payload: 'x', qos: 0, retain: false, properties } as const;
  const socket = await sockets.connect();
  await send(socket, 5, connectAs('allowed-will', index, 5, { will }));
  await answered(socket);
};

/** Every packet identifier, without PUBREL, in a session that stays. */
const unreleased: Attack = async (sockets, index) => {
  const socket = await sockets.connect();
  const acknowledged = new Promise<void>((resolve) => {
    let bytes = 0;
    socket.on('close', resolve);
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes >= 4 + 4 * 65_535) resolve();
    });
  });
  await send(socket, 4, connectAs('unreleased', index, 4, { clean: false }));
  const publishes = Buffer.alloc(65_535 * 7);
  for (let id = 1; id <= 65_535; id++) {
    publishes.set([0x34, 5, 0, 1, 0x78, id >> 8, id & 255], (id - 1) * 7);
  }
  await write(socket, publishes);
  await acknowledged;
  socket.destroy();
};

const unfinished: Attack = async (sockets, index) => {
  const socket = await sockets.connect();
  await send(socket, 5, connectAs('unfinished', index, 5));
  await write(socket, Buffer.concat([HEADER, Buffer.alloc(MiB - 1000)]));
};

const dribble: Attack = async (sockets, index) => {
  const socket = await sockets.connect();
  socket.setNoDelay(true);
  await send(socket, 5, connectAs('dribble', index, 5));
  await write(socket, HEADER);
  for (let bytes = 0; bytes < 3000; bytes++) {
    socket.write('x');
    await new Promise((resolve) => setImmediate(resolve));
  }
};

const longId: Attack = async (sockets, index) => {
  const socket = await sockets.connect();
  await send(socket, 4, connectAs(text(60_000), index, 4, { clean: false }));
  await answered(socket);
  socket.destroy();
};

const aliases: Attack = async (sockets, index) => {
  const socket = await sockets.connect();
  await send(socket, 5, connectAs('aliases', index, 5));
  for (let topicAlias = 1; topicAlias <= 64; topicAlias++) {
    const topic = text(60_000);
    await send(socket, 5, {
      cmd: 'publish',
      topic,
      payload: '',
      qos: 0,
      retain: false,
      dup: false,
      properties: { topicAlias },
    });
  }
};

/** A message of a mebibyte that is nothing but empty user properties, on a topic that is wanted. */
const properties: Attack = async (sockets, index) => {
  const socket = await sockets.connect();
  await send(socket, 5, connectAs('properties', index, 5));
  const start = Buffer.concat([string('wanted'), Buffer.from([0, 1])]);
  await write(socket, packet(0x32, start, emptyProperties(200_000)));
};

/** Messages that are wanted, from a client that does not read its acknowledgements. */
const deaf: Attack = async (sockets, index) => {
  const socket = await sockets.connect();
  socket.pause();
  await send(socket, 5, connectAs('deaf', index, 5));
  const messages = Array.from({ length: 1000 }, (_, id) => ({
    cmd: 'publish' as const,
    topic: 'wanted',
    payload: text(1000),
    qos: 1 as const,
    retain: false,
    dup: false,
    messageId: id + 1,
  }));
  await send(socket, 5, ...messages);
};

const subscriptions: Attack = async (sockets, index) => {
  const socket = await sockets.connect();
  await send(socket, 5, connectAs('subscriptions', index, 5));
  const filters = Buffer.from('00016100'.repeat(150_000), 'hex');
  await write(socket, packet(0x82, Buffer.from([0, 1, 0]), filters));
};

function variableByteInteger(value: number): Buffer {
  const bytes: number[] = [];
  for (let left = value; bytes.length === 0 || left > 0; left = Math.floor(left / 128)) {
    bytes.push((left % 128) | (left >= 128 ? 128 : 0));
  }
  return Buffer.from(bytes);
}

/** Each kind of hostile publisher, with how many of it hold more than a small process has. */
export const HOSTILE: Readonly<Record<string, { readonly attack: Attack; readonly count: number }>> = {
  'wills of a mebibyte': { attack: largeWill, count: 40 },
  'wills as large as they may be': { attack: allowedWill, count: 400 },
  'QoS 2 without PUBREL': { attack: unreleased, count: 10 },
  'unfinished packets': { attack: unfinished, count: 150 },
  'segments of one byte': { attack: dribble, count: 10 },
  'long client ids': { attack: longId, count: 1500 },
  'topic aliases': { attack: aliases, count: 30 },
  'user properties': { attack: properties, count: 60 },
  'acknowledgements unread': { attack: deaf, count: 20 },
  'many subscriptions': { attack: subscriptions, count: 20 },
};
