import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { generate, type IConnackPacket, type IConnectPacket, type Packet, parser } from 'mqtt-packet';
import { Framer } from '../../src/ingress/listener/framer.ts';
import { PacketType, type ProtocolVersion } from '../../src/ingress/listener/protocol.ts';
import { type PublishPacket, readPublish } from '../../src/ingress/listener/publish-packet.ts';
import { onEnd } from './on-end.ts';

/** A connection at the broker. */
export class RawBrokerClient {
  connect: IConnectPacket | undefined;
  /** Messages of QoS 1 and 2 that are not acknowledged, and the most of them at a time. */
  unacknowledged = 0;
  mostUnacknowledged = 0;
  readonly socket: Socket;
  readonly #broker: RawMqttBroker;
  readonly #framer = new Framer(300_000_000);

  constructor(socket: Socket, broker: RawMqttBroker) {
    this.socket = socket;
    this.#broker = broker;
    socket.on('data', (chunk: Buffer) => {
      try {
        this.#take(chunk);
      } catch {
        socket.destroy(); // what came is no MQTT
      }
    });
  }

  get version(): ProtocolVersion {
    return (this.connect?.protocolVersion ?? 4) as ProtocolVersion;
  }

  send(packet: Packet): void {
    this.socket.write(generate(packet, { protocolVersion: this.version }));
  }

  /** PUBACK, or PUBREC. */
  acknowledge({ packetId, qos }: PublishPacket, reasonCode = 0, reasonString?: string): void {
    const properties = reasonString === undefined ? {} : { properties: { reasonString } };
    if (qos === 1 || reasonCode >= 0x80) this.unacknowledged--;
    this.send({
      cmd: qos === 1 ? 'puback' : 'pubrec',
      messageId: packetId,
      reasonCode,
      ...properties,
    } as Packet);
  }

  #take(chunk: Buffer): void {
    this.#framer.push(chunk);
    for (let frame = this.#framer.next(); frame; frame = this.#framer.next()) {
      if (frame.type === PacketType.PUBLISH) {
        this.#published(readPublish(frame, this.version), frame.whole.length);
      } else this.#got(packetOf(frame.whole, this.version));
    }
  }

  #published(packet: PublishPacket, bytes: number): void {
    const kept = { ...packet, payload: Buffer.from(packet.payload), bytes };
    if (packet.qos > 0) this.unacknowledged++;
    this.mostUnacknowledged = Math.max(this.mostUnacknowledged, this.unacknowledged);
    this.#broker.published.push(kept);
    this.#broker.onPublish(kept, this);
  }

  #got(packet: Packet): void {
    this.#broker.packets.push(packet);
    if (packet.cmd === 'connect') {
      this.connect = packet;
      this.#broker.onConnect(packet, this);
    } else if (packet.cmd === 'pubrel') {
      this.#broker.onPubrel(packet, this);
    } else if (packet.cmd === 'pingreq') {
      this.#broker.onPing(this);
    }
  }
}

/** A broker on 127.0.0.1 that does as it is told, also what no broker should. */
export class RawMqttBroker {
  /** Every packet that came, but for PUBLISH. */
  readonly packets: Packet[] = [];
  /** With the size of the packet. */
  readonly published: (PublishPacket & { readonly bytes: number })[] = [];
  readonly clients = new Set<RawBrokerClient>();
  /** What CONNACK has beside success. */
  connack: Partial<IConnackPacket> = {};
  onConnect = (_: IConnectPacket, client: RawBrokerClient): void => {
    client.send({ cmd: 'connack', sessionPresent: false, reasonCode: 0, returnCode: 0, ...this.connack });
  };
  onPublish = (packet: PublishPacket, client: RawBrokerClient): void => {
    if (packet.qos > 0) client.acknowledge(packet);
  };
  onPubrel = ({ messageId }: Packet, client: RawBrokerClient): void => {
    client.unacknowledged--;
    client.send({ cmd: 'pubcomp', messageId, reasonCode: 0 } as Packet);
  };
  onPing = (client: RawBrokerClient): void => client.send({ cmd: 'pingresp' });
  port = 0;
  #server: Server | undefined;

  /** Listens; again on the same port after a stop. */
  async start(): Promise<void> {
    const server = createServer({ noDelay: true }, (socket) => {
      const client = new RawBrokerClient(socket, this);
      this.clients.add(client);
      socket.on('error', () => {}); // `close` follows
      socket.on('close', () => this.clients.delete(client));
    });
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Cuts every connection and lets no new one in. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = once(server, 'close');
    server.close();
    for (const { socket } of this.clients) socket.destroy();
    await closed;
  }

  get payloads(): string[] {
    return this.published.map(({ payload }) => payload.toString());
  }
}

/** A broker that is up, and stopped after the test. */
export async function rawMqttBroker(t: TestContext): Promise<RawMqttBroker> {
  const broker = new RawMqttBroker();
  await broker.start();
  onEnd(t, () => broker.stop());
  return broker;
}

function packetOf(whole: Buffer, protocolVersion: ProtocolVersion): Packet {
  const packets: Packet[] = [];
  const reader = parser({ protocolVersion });
  reader.on('packet', (packet) => packets.push(packet));
  reader.parse(whole);
  return packets[0]!;
}
