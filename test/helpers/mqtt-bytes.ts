/** The levels of MQTT: 3 = 3.1, 4 = 3.1.1, 5 = 5.0. */
export type Version = 3 | 4 | 5;
export const VERSIONS: readonly Version[] = [3, 4, 5];

/** Bytes written in hex. */
export const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

export function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function variable(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest % 128) + (rest > 127 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Buffer.from(bytes);
}

/** A string or binary data, with its length; also one that is not UTF-8. */
export function string(text: string | Buffer): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([uint16(bytes.length), bytes]);
}

/** A whole packet: the first byte, and what follows the Remaining Length. */
export function packet(first: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([first]), variable(body.length), body]);
}

/** Properties with their length; before 5.0 there are none. */
export function properties(version: Version, ...parts: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat(parts);
  return version === 5 ? Buffer.concat([variable(bytes.length), bytes]) : Buffer.alloc(0);
}

interface Connect {
  readonly name?: string;
  readonly level?: number;
  readonly first?: number;
  readonly flags?: number;
  readonly keepAlive?: number;
  readonly clientId?: string | Buffer;
  /** Of 5.0. */
  readonly props?: Buffer;
  /** What follows the client id. */
  readonly rest?: Buffer;
}

/** A CONNECT, by default one that is right. */
export function connect(version: Version, init: Connect = {}): Buffer {
  const { name = version === 3 ? 'MQIsdp' : 'MQTT', level = version, first = 0x10, flags = 2 } = init;
  const { keepAlive = 0, clientId = 'c', props = Buffer.alloc(0), rest = Buffer.alloc(0) } = init;
  const head = [string(name), Buffer.from([level, flags]), uint16(keepAlive), properties(version, props)];
  return packet(first, ...head, string(clientId), rest);
}

interface Publish {
  /** DUP 8, QoS 1 2, QoS 2 4, RETAIN 1. */
  readonly flags?: number;
  readonly topic?: string | Buffer;
  readonly id?: number;
  readonly props?: Buffer;
  readonly payload?: string;
}

/** A PUBLISH, by default one of QoS 1 that is right. */
export function publish(version: Version, init: Publish = {}): Buffer {
  const { flags = 2, topic = 'a/b', id = 1, props = Buffer.alloc(0), payload = 'x' } = init;
  const packetId = (flags & 6) === 0 ? [] : [uint16(id)];
  return packet(0x30 | flags, string(topic), ...packetId, properties(version, props), Buffer.from(payload));
}

/** SUBSCRIBE, each filter with its options; UNSUBSCRIBE without. */
export function subscribe(
  version: Version,
  filters: readonly Buffer[],
  init: { first?: number; id?: number; props?: Buffer } = {},
) {
  const { first = 0x82, id = 1, props = Buffer.alloc(0) } = init;
  return packet(first, uint16(id), properties(version, props), ...filters);
}
