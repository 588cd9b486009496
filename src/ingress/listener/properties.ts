import { MAX_USER_PROPERTIES, MAX_USER_PROPERTY_BYTES } from '../../contract/message-memory.ts';
import type { PacketReader } from './packet-reader.ts';
import { MqttError, malformed, protocolError, ReasonCode } from './protocol.ts';
import { checkTopicName } from './topic-rules.ts';

export interface UserProperty {
  readonly key: string;
  readonly value: string;
}

/** The MQTT 5 properties that a client sends and that matter here. */
export interface Properties {
  readonly userProperties: readonly UserProperty[];
  /** There are more of them than a message may have; the rest is left out. */
  hasTooManyUserProperties?: true;
  payloadFormatIndicator?: number;
  messageExpiryInterval?: number;
  contentType?: string;
  responseTopic?: string;
  /** Aliases the packet. */
  correlationData?: Buffer;
  topicAlias?: number;
  sessionExpiryInterval?: number;
  authenticationMethod?: string;
  hasAuthenticationData?: true;
  /** What the client takes, in bytes. */
  maximumPacketSize?: number;
  willDelayInterval?: number;
}

const USER_PROPERTY = 0x26;
/** What stands before the two strings of a user property, in bytes. */
const LENGTHS = 4;
/** The identifiers (MQTT 5.0 §2.2.2.2) that each packet may carry. */
const MESSAGE = [0x01, 0x02, 0x03, 0x08, 0x09, USER_PROPERTY];
export const PUBLISH_PROPERTIES: ReadonlySet<number> = new Set([...MESSAGE, 0x23]);
export const WILL_PROPERTIES: ReadonlySet<number> = new Set([...MESSAGE, 0x18]);
export const CONNECT_PROPERTIES: ReadonlySet<number> = new Set([
  0x11,
  0x15,
  0x16,
  0x17,
  0x19,
  0x21,
  0x22,
  USER_PROPERTY,
  0x27,
]);

export const PUBREL_PROPERTIES: ReadonlySet<number> = new Set([0x1f, USER_PROPERTY]);
export const SUBSCRIBE_PROPERTIES: ReadonlySet<number> = new Set([0x0b, USER_PROPERTY]);
export const UNSUBSCRIBE_PROPERTIES: ReadonlySet<number> = new Set([USER_PROPERTY]);
export const DISCONNECT_PROPERTIES: ReadonlySet<number> = new Set([0x11, 0x1f, USER_PROPERTY]);

export const NO_PROPERTIES: Properties = { userProperties: [] };

/** Reads a packet's properties, with their length in front. */
export function readProperties(packet: PacketReader, allowed: ReadonlySet<number>): Properties {
  const length = packet.variableByteInteger();
  if (length === 0) return NO_PROPERTIES;
  const reader = packet.section(length);
  const userProperties = new UserProperties();
  const properties: Properties = { userProperties: userProperties.kept };
  const seen = new Set<number>();
  while (!reader.isAtEnd) {
    const id = reader.variableByteInteger();
    if (!allowed.has(id)) throw protocolError(`property ${id} where it must not be`);
    if (id === USER_PROPERTY) {
      userProperties.read(reader);
      continue;
    }
    if (seen.has(id)) throw protocolError(`property ${id} twice`);
    seen.add(id);
    readProperty(reader, id, properties);
  }
  if (userProperties.areTooMany) properties.hasTooManyUserProperties = true;
  return properties;
}

/** @throws MqttError where there are more user properties than a message may have */
export function checkUserProperties({ hasTooManyUserProperties }: Properties): void {
  if (!hasTooManyUserProperties) return;
  const limit = `more than ${MAX_USER_PROPERTIES} user properties, or ${MAX_USER_PROPERTY_BYTES} bytes of them`;
  throw new MqttError(ReasonCode.QUOTA_EXCEEDED, limit);
}

/** Each takes far more memory than its bytes: those beyond the limits are read over. */
class UserProperties {
  readonly kept: UserProperty[] = [];
  areTooMany = false;
  #bytes = 0;

  read(reader: PacketReader): void {
    this.areTooMany ||= this.kept.length === MAX_USER_PROPERTIES;
    if (this.areTooMany) {
      reader.skip();
      reader.skip();
      return;
    }
    const before = reader.left;
    this.kept.push({ key: reader.string(), value: reader.string() });
    this.#bytes += before - reader.left - LENGTHS;
    this.areTooMany = this.#bytes > MAX_USER_PROPERTY_BYTES;
  }
}

function readProperty(reader: PacketReader, id: number, into: Properties): void {
  switch (id) {
    case 0x01:
      into.payloadFormatIndicator = bit(reader);
      break;
    case 0x02:
      into.messageExpiryInterval = reader.uint32();
      break;
    case 0x03:
      into.contentType = reader.string();
      break;
    case 0x08:
      into.responseTopic = reader.string();
      checkTopicName(into.responseTopic, 'response topic');
      break;
    case 0x09:
      into.correlationData = reader.binary();
      break;
    case 0x18: // will delay interval
      into.willDelayInterval = reader.uint32();
      break;
    case 0x23:
      into.topicAlias = reader.uint16();
      break;
    default:
      readConnectionProperty(reader, id, into);
  }
}

/** Those that speak of the client or its subscriptions. */
function readConnectionProperty(reader: PacketReader, id: number, into: Properties): void {
  switch (id) {
    case 0x0b: // subscription identifier
      if (reader.variableByteInteger() === 0) throw protocolError('a Subscription Identifier of 0');
      break;
    case 0x11:
      into.sessionExpiryInterval = reader.uint32();
      break;
    case 0x15:
      into.authenticationMethod = reader.string();
      break;
    case 0x16:
      reader.binary();
      into.hasAuthenticationData = true;
      break;
    case 0x17: // request problem information
    case 0x19: // request response information
      bit(reader);
      break;
    case 0x1f: // reason string
      reader.string();
      break;
    case 0x21: // receive maximum
      if (reader.uint16() === 0) throw protocolError('a Receive Maximum of 0');
      break;
    case 0x22: // topic alias maximum
      reader.uint16();
      break;
    case 0x27:
      into.maximumPacketSize = reader.uint32();
      if (into.maximumPacketSize === 0) throw protocolError('a Maximum Packet Size of 0');
      break;
    default:
      throw malformed(`property ${id} is not known`);
  }
}

function bit(reader: PacketReader): number {
  const value = reader.byte();
  if (value > 1) throw protocolError('a property that is neither 0 nor 1');
  return value;
}
