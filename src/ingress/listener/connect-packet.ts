import type { Frame } from './framer.ts';
import { PacketReader } from './packet-reader.ts';
import {
  CONNECT_PROPERTIES,
  checkUserProperties,
  NO_PROPERTIES,
  type Properties,
  readProperties,
  WILL_PROPERTIES,
} from './properties.ts';
import {
  MqttError,
  malformed,
  PacketType,
  type ProtocolVersion,
  protocolError,
  ReasonCode,
} from './protocol.ts';
import { qosOf } from './publish-packet.ts';
import { checkTopicName } from './topic-rules.ts';
import type { Will } from './wills.ts';

/** How a client can be answered. */
export interface Answerable {
  readonly version: ProtocolVersion;
  /** What it takes, in bytes. */
  readonly maximumPacketSize: number;
}

export interface ConnectPacket extends Answerable {
  /** Empty: the server shall make one. */
  readonly clientId: string;
  /** Clean Start, or Clean Session. */
  readonly isClean: boolean;
  /** Seconds; 0: none. */
  readonly keepAlive: number;
  /** Seconds. */
  readonly sessionExpiry: number;
  readonly username: string | undefined;
  /** Its client id is the packet's. */
  readonly will: Will | undefined;
}

/** The client is to be told no with a CONNACK. */
export class ConnectRefusal extends MqttError {
  readonly to: Answerable;
  constructor(to: Answerable, reasonCode: ReasonCode, message: string) {
    super(reasonCode, message);
    this.to = to;
  }
}

/** The Session Expiry Interval of a session that never ends, which is what 3.1 and 3.1.1 have. */
const NEVER = 0xffff_ffff;
/** A bridge sets it in the level of 3.1 and 3.1.1 to say that it is one; 5.0 has no need of it. */
const BRIDGE = 0x80;

/**
 * Reads a CONNECT packet.
 * @throws ConnectRefusal where the client is owed an answer: 5.0 whatever is wrong with it, once it has told its version
 * @throws MqttError otherwise
 */
export function readConnect(frame: Frame): ConnectPacket {
  if (frame.type !== PacketType.CONNECT || frame.flags !== 0) throw protocolError('no CONNECT');
  const reader = new PacketReader(frame.body);
  const version = versionOf(reader.string(), reader.byte());
  const to = { version, maximumPacketSize: Infinity };
  try {
    return readRest(reader, to);
  } catch (error) {
    if (version < 5 || !(error instanceof MqttError) || error instanceof ConnectRefusal) throw error;
    throw new ConnectRefusal(to, error.reasonCode, error.message);
  }
}

/** What comes behind the version. What the client takes is set in `to` as soon as it has told it. */
function readRest(
  reader: PacketReader,
  to: { version: ProtocolVersion; maximumPacketSize: number },
): ConnectPacket {
  const { version } = to;
  const flags = flagsOf(reader.byte(), version);
  const keepAlive = reader.uint16();
  const properties = version === 5 ? readProperties(reader, CONNECT_PROPERTIES) : NO_PROPERTIES;
  to.maximumPacketSize = properties.maximumPacketSize ?? Infinity;
  checkUserProperties(properties);
  checkAuthentication(properties);
  const clientId = reader.string();
  if (clientId === '' && (version === 3 || (version === 4 && !flags.isClean))) {
    throw new ConnectRefusal(to, ReasonCode.CLIENT_IDENTIFIER_NOT_VALID, 'an empty client id');
  }
  const will = flags.will && readWill(reader, version, flags.will);
  // In 3.1 user name and password may be missing although their flags are set.
  const mayEnd = version === 3;
  const username = flags.username && !(mayEnd && reader.isAtEnd) ? reader.string() : undefined;
  if (flags.password && !(mayEnd && reader.isAtEnd)) reader.binary();
  reader.expectEnd();
  const unset = version === 5 || flags.isClean ? 0 : NEVER;
  return {
    ...to,
    clientId,
    isClean: flags.isClean,
    keepAlive,
    sessionExpiry: properties.sessionExpiryInterval ?? unset,
    username,
    will: will && { ...will, message: { ...will.message, clientId, username } },
  };
}

function versionOf(name: string, level: number): ProtocolVersion {
  if (name === 'MQIsdp' && (level & ~BRIDGE) === 3) return 3;
  if (name === 'MQTT' && (level & ~BRIDGE) === 4) return 4;
  if (name === 'MQTT' && level === 5) return 5;
  if (name !== 'MQTT' && name !== 'MQIsdp') throw protocolError('a protocol that is not MQTT');
  const to: Answerable = { version: level > 5 ? 5 : 4, maximumPacketSize: Infinity };
  throw new ConnectRefusal(to, ReasonCode.UNSUPPORTED_PROTOCOL_VERSION, `protocol level ${level}`);
}

interface WillFlags {
  readonly qos: number;
  readonly retain: boolean;
}

function flagsOf(byte: number, version: ProtocolVersion) {
  const hasWill = (byte & 0x04) !== 0;
  const will: WillFlags | undefined = hasWill
    ? { qos: qosOf((byte >> 3) & 3), retain: (byte & 0x20) !== 0 }
    : undefined;
  const username = (byte & 0x80) !== 0;
  const password = (byte & 0x40) !== 0;
  if ((byte & 0x01) !== 0) throw malformed('the reserved CONNECT flag is set');
  // 3.1 disregards them.
  if (!hasWill && (byte & 0x38) !== 0 && version !== 3) throw malformed('will flags without a will');
  if (password && !username && version !== 5) throw malformed('a password without a user name');
  return { isClean: (byte & 0x02) !== 0, will, username, password };
}

/** The will outlives the packet: nothing of it aliases the network buffer. */
function readWill(reader: PacketReader, version: ProtocolVersion, { qos, retain }: WillFlags) {
  const properties = version === 5 ? readProperties(reader, WILL_PROPERTIES) : NO_PROPERTIES;
  checkUserProperties(properties);
  const topicName = reader.string();
  checkTopicName(topicName, 'will topic');
  const payload = Buffer.from(reader.binary());
  const { willDelayInterval = 0, correlationData } = properties;
  const message = {
    ...properties,
    ...(correlationData && { correlationData: Buffer.from(correlationData) }),
    topicName,
    payload,
    qos,
    retain,
  };
  return { message, delay: willDelayInterval };
}

/** Data without a method is a fault of the client; a method is what this server does not have. */
function checkAuthentication({ authenticationMethod, hasAuthenticationData }: Properties): void {
  if (authenticationMethod !== undefined) {
    throw new MqttError(ReasonCode.BAD_AUTHENTICATION_METHOD, 'enhanced authentication');
  }
  if (hasAuthenticationData) throw protocolError('Authentication Data without an Authentication Method');
}
