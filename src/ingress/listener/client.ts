import { type IDisconnectPacket, type Packet, parser } from 'mqtt-packet';
import type { PublishedMessage } from '../../contract/encode-envelope.ts';
import { messageOf } from '../../runtime/logger.ts';
import type { ConnectPacket } from './connect-packet.ts';
import type { Frame } from './framer.ts';
import type { OutgoingPackets } from './outgoing-packets.ts';
import { PacketReader } from './packet-reader.ts';
import { checkUserProperties } from './properties.ts';
import {
  MqttError,
  malformed,
  PacketType,
  type ProtocolVersion,
  protocolError,
  ReasonCode,
} from './protocol.ts';
import type { PublishFlow } from './publish-flow.ts';
import { checkTopicName, readPublish, TopicAliases } from './publish-packet.ts';
import { type Will, willMemory } from './wills.ts';

/** Announced as Topic Alias Maximum. */
export const MAX_TOPIC_ALIASES = 64;
/** The largest packet that is not a message: nothing is done with what it says, but reading it takes many times its bytes. */
const MAX_CONTROL_BYTES = 65_536;

interface Deps {
  readonly flow: PublishFlow;
  readonly outgoing: OutgoingPackets;
  /** The client said goodbye. */
  onDisconnect(): void;
}

/** A client whose CONNECT was accepted: answers its packets. */
export class Client {
  readonly clientId: string;
  readonly flow: PublishFlow;
  /** Seconds. */
  sessionExpiry: number;
  readonly #version: ProtocolVersion;
  readonly #username: string | undefined;
  readonly #deps: Deps;
  readonly #aliases = new TopicAliases(MAX_TOPIC_ALIASES);
  #will: Will | undefined;
  #willBytes = 0;

  constructor(clientId: string, connect: ConnectPacket, deps: Deps) {
    this.clientId = clientId;
    this.flow = deps.flow;
    const { will } = connect;
    if (will) {
      this.#will = { ...will, message: { ...will.message, clientId } };
      this.#willBytes = willMemory(this.#will);
    }
    this.sessionExpiry = connect.sessionExpiry;
    this.#version = connect.version;
    this.#username = connect.username;
    this.#deps = deps;
  }

  /** To be published when the connection ends. */
  get will(): Will | undefined {
    return this.#will;
  }

  /** What it keeps in memory, besides its messages on their way. */
  get bytes(): number {
    return this.#willBytes + this.#aliases.bytes + this.flow.sessionBytes;
  }

  /** @throws MqttError when the connection has to end */
  handle(frame: Frame): void {
    switch (frame.type) {
      case PacketType.PUBLISH:
        this.#publish(frame);
        break;
      case PacketType.PUBREL:
        if (frame.flags !== 2) throw malformed('the flags of a PUBREL');
        this.flow.release(new PacketReader(frame.body).packetId());
        break;
      case PacketType.PINGREQ:
        this.#deps.outgoing.pingresp();
        break;
      case PacketType.SUBSCRIBE:
      case PacketType.UNSUBSCRIBE:
      case PacketType.DISCONNECT:
        this.#handleParsed(parse(frame, this.#version));
        break;
      default:
        throw protocolError(`a packet of type ${frame.type}`);
    }
  }

  #publish(frame: Frame): void {
    const packet = readPublish(frame, this.#version);
    const topicName = this.#aliases.resolve(packet);
    checkTopicName(topicName);
    const { properties, payload, qos, retain, packetId } = packet;
    if (properties.hasTooManyUserProperties && qos !== 0) {
      // Sent again it would be the same: the client is told, and goes on with the next.
      this.flow.refuse(qos, packetId, ReasonCode.QUOTA_EXCEEDED);
      return;
    }
    checkUserProperties(properties);
    const { userProperties, contentType, responseTopic, correlationData } = properties;
    const { messageExpiryInterval, payloadFormatIndicator } = properties;
    const message: PublishedMessage = {
      topicName,
      payload,
      clientId: this.clientId,
      username: this.#username,
      qos,
      retain,
      userProperties,
      contentType,
      responseTopic,
      correlationData,
      messageExpiryInterval,
      payloadFormatIndicator,
    };
    this.flow.publish(message, packetId, frame.whole.length);
  }

  #handleParsed(packet: Packet): void {
    const { outgoing, onDisconnect } = this.#deps;
    switch (packet.cmd) {
      case 'subscribe':
        outgoing.suback(packetIdOf(packet), countOf(packet.subscriptions));
        break;
      case 'unsubscribe':
        outgoing.unsuback(packetIdOf(packet), countOf(packet.unsubscriptions));
        break;
      case 'disconnect':
        this.#disconnect(packet);
        onDisconnect();
        break;
      default:
        throw protocolError(`a ${packet.cmd} packet`);
    }
  }

  #disconnect({ reasonCode, properties }: IDisconnectPacket): void {
    const expiry = properties?.sessionExpiryInterval ?? this.sessionExpiry;
    if (this.sessionExpiry === 0 && expiry > 0) throw protocolError('a session that was to end shall stay');
    this.sessionExpiry = expiry;
    if ((reasonCode ?? ReasonCode.SUCCESS) === ReasonCode.SUCCESS) this.#will = undefined; // MQTT 5.0 §3.14.4
  }
}

/** Reads one whole packet with mqtt-packet. */
function parse(frame: Frame, protocolVersion: ProtocolVersion): Packet {
  if (frame.whole.length > MAX_CONTROL_BYTES) {
    const limit = `a packet of ${frame.whole.length} bytes that is no message`;
    throw new MqttError(ReasonCode.PACKET_TOO_LARGE, limit);
  }
  let parsed: Packet | undefined;
  let failure: unknown;
  const packets = parser({ protocolVersion });
  packets.on('error', (error) => {
    failure ??= error;
  });
  packets.on('packet', (packet) => {
    parsed = packet;
  });
  try {
    packets.parse(frame.whole);
  } catch (error) {
    failure ??= error;
  }
  if (failure !== undefined || parsed === undefined) throw malformed(messageOf(failure ?? 'no packet'));
  return parsed;
}

function packetIdOf({ messageId }: Packet): number {
  if (messageId === undefined || messageId < 1) throw malformed('a packet identifier of 0');
  return messageId;
}

function countOf(filters: readonly unknown[]): number {
  if (filters.length === 0) throw protocolError('no topic filter');
  return filters.length;
}
