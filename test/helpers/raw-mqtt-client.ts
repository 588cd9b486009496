import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { generate, type IConnectPacket, type Packet, parser } from 'mqtt-packet';
import { waitUntil } from './wait-until.ts';

/** A client that sends what it is told, right or wrong, and keeps what it gets. */
export class RawMqttClient {
  readonly socket: Socket;
  /** Every packet that came, in order. */
  readonly packets: Packet[] = [];
  readonly #version: 3 | 4 | 5;
  #isClosed = false;

  constructor(t: TestContext, address: string, version: 3 | 4 | 5) {
    const [host, port] = address.split(':');
    this.#version = version;
    this.socket = connect(Number(port), host);
    const packets = parser({ protocolVersion: version });
    packets.on('packet', (packet) => this.packets.push(packet));
    this.socket.on('data', (chunk: Buffer) => packets.parse(chunk));
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.#isClosed = true;
    });
    t.after(() => this.socket.destroy());
  }

  /** Connects with a CONNECT and waits for the CONNACK. */
  static async connected(
    t: TestContext,
    address: string,
    version: 3 | 4 | 5,
    options: Partial<IConnectPacket> = {},
  ): Promise<RawMqttClient> {
    const client = new RawMqttClient(t, address, version);
    client.send({ ...connectPacket(version), ...options });
    await client.received(1);
    return client;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  send(...packets: Packet[]): void {
    const bytes = packets.map((packet) => generate(packet, { protocolVersion: this.#version }));
    this.socket.write(Buffer.concat(bytes));
  }

  /** Sends bytes, written in hex. */
  sendHex(hex: string): void {
    this.socket.write(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
  }

  /** Waits until so many packets have come; answers them all. */
  async received(count: number): Promise<readonly Packet[]> {
    await waitUntil(`${count} packets`, () => this.packets.length >= count);
    return this.packets;
  }

  async closed(): Promise<void> {
    if (!this.#isClosed) await once(this.socket, 'close', { signal: AbortSignal.timeout(15_000) });
  }
}

export function connectPacket(version: 3 | 4 | 5, clientId = 'raw'): IConnectPacket {
  const protocolId = version === 3 ? 'MQIsdp' : 'MQTT';
  return { cmd: 'connect', protocolId, protocolVersion: version, clientId, clean: true, keepalive: 0 };
}
