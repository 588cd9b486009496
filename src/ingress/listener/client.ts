import { type IDisconnectPacket, type Packet, parser } from 'mqtt-packet';
import type { PublishedMessage } from '../../contract/encode-envelope.ts';
import { messageOf } from '../../runtime/logger.ts';
import type { ConnectPacket } from './connect-packet.ts';
import type { Frame } from './framer.ts';
import type { Intake } from './intake.ts';
import type { OutgoingPackets } from './outgoing-packets.ts';
import { PacketReader } from './packet-reader.ts';
import { malformed, PacketType, type ProtocolVersion, protocolError, ReasonCode } from './protocol.ts';
import { checkTopicName, readPublish, TopicAliases } from './publish-packet.ts';

/** Announced as Topic Alias Maximum. */
export const MAX_TOPIC_ALIASES = 64;

interface Deps {
  readonly intake: Intake;
  readonly outgoing: OutgoingPackets;
  /** The client said goodbye. */
  onDisconnect(): void;
}

/** A client whose CONNECT was accepted: answers its packets. */
export class Client {
  readonly clientId: string;
  readonly intake: Intake;
  /** To be published when the connection ends. */
  will: PublishedMessage | undefined;
  /** Seconds. */
  sessionExpiry: number;
  readonly #version: ProtocolVersion;
  readonly #username: string | undefined;
  readonly #deps: Deps;
  readonly #aliases = new TopicAliases(MAX_TOPIC_ALIASES);

  constructor(clientId: string, connect: ConnectPacket, deps: Deps) {
    this.clientId = clientId;
    this.intake = deps.intake;
    this.will = connect.will && { ...connect.will, clientId };
    this.sessionExpiry = connect.sessionExpiry;
    this.#version = connect.version;
    this.#username = connect.username;
    this.#deps = deps;
  }

  /** @throws MqttError when the connection has to end */
  handle(frame: Frame): void {
    switch (frame.type) {
      case PacketType.PUBLISH:
        this.#publish(frame);
        break;
      case PacketType.PUBREL:
        if (frame.flags !== 2) throw malformed('the flags of a PUBREL');
        this.intake.release(new PacketReader(frame.body).packetId());
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
    this.intake.publish(message, packetId, frame.whole.length);
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
    if (reasonCode !== ReasonCode.DISCONNECT_WITH_WILL) this.will = undefined;
  }
}

/** Reads one whole packet with mqtt-packet. */
function parse(frame: Frame, protocolVersion: ProtocolVersion): Packet {
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
