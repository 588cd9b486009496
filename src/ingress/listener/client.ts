import type { PublishedMessage } from '../../contract/encode-envelope.ts';
import type { ConnectPacket } from './connect-packet.ts';
import {
  checkEmpty,
  checkHeader,
  type Goodbye,
  readDisconnect,
  readFilters,
  readPubrel,
} from './control-packets.ts';
import type { Frame } from './framer.ts';
import type { OutgoingPackets } from './outgoing-packets.ts';
import { checkUserProperties } from './properties.ts';
import { PacketType, type ProtocolVersion, protocolError, ReasonCode } from './protocol.ts';
import type { PublishFlow } from './publish-flow.ts';
import { readPublish, TopicAliases } from './publish-packet.ts';
import { checkTopicName } from './topic-rules.ts';
import { type Will, willMemory } from './wills.ts';

/** Announced as Topic Alias Maximum. */
export const MAX_TOPIC_ALIASES = 64;

interface Deps {
  readonly flow: PublishFlow;
  readonly outgoing: OutgoingPackets;
  /** The client said goodbye; its session is to stay for so long, in seconds. */
  onDisconnect(sessionExpiry: number): void;
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
    if (frame.type === PacketType.PUBLISH) this.#publish(frame);
    else this.#control(frame);
  }

  #control(frame: Frame): void {
    const { outgoing } = this.#deps;
    const version = this.#version;
    checkHeader(frame, version);
    switch (frame.type) {
      case PacketType.PUBREL:
        this.flow.release(readPubrel(frame, version));
        break;
      case PacketType.PINGREQ:
        checkEmpty(frame);
        outgoing.pingresp();
        break;
      case PacketType.SUBSCRIBE:
        outgoing.suback(readFilters(frame, version));
        break;
      case PacketType.UNSUBSCRIBE:
        outgoing.unsuback(readFilters(frame, version));
        break;
      case PacketType.DISCONNECT:
        this.#disconnect(readDisconnect(frame, version));
        break;
      default:
        throw protocolError(`a packet of type ${frame.type}`);
    }
  }

  #publish(frame: Frame): void {
    const packet = readPublish(frame, this.#version);
    const topicName = this.#aliases.resolve(packet);
    checkTopicName(topicName);
    const { properties, payload, qos, retain } = packet;
    if (properties.hasTooManyUserProperties && qos !== 0) {
      // Sent again it would be the same: the client is told, and goes on with the next.
      this.flow.refuse(qos, packet.packetId, ReasonCode.QUOTA_EXCEEDED);
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
    this.flow.publish(message, packet, frame.whole.length);
  }

  #disconnect({ reasonCode, sessionExpiry = this.sessionExpiry }: Goodbye): void {
    if (this.sessionExpiry === 0 && sessionExpiry > 0) {
      throw protocolError('a session that was to end shall stay');
    }
    this.sessionExpiry = sessionExpiry;
    if (reasonCode === ReasonCode.SUCCESS) this.#will = undefined; // MQTT 5.0 §3.14.4
    this.#deps.onDisconnect(sessionExpiry);
  }
}
